//! The pages in Korean.

use super::phrase::Phrase;
use super::problem::Problem;

pub(super) const fn says(phrase: Phrase) -> &'static str {
    match phrase {
        Phrase::InvitationTitle => "{panel}에서 귀 조직의 동의를 요청합니다",
        Phrase::InvitationText => {
            "{panel}이(가) Microsoft에서 귀 조직을 대신해 작업할 수 있도록 허용해 달라는 초대입니다. \
             마지막 페이지에서 확인하기 전에는 {panel}이(가) 아무 권한도 받지 않습니다."
        }
        Phrase::Receives => "권한을 받는 쪽",
        Phrase::Account => "{panel} 계정",
        Phrase::OwnNumber => "{panel}에서 쓰는 이름",
        Phrase::Inviter => "초대한 사람",
        Phrase::Verified => "{panel}에서 확인함",
        Phrase::Unverified => "확인되지 않음: 본인이 밝힌 이름입니다",
        Phrase::Gives => "권한을 주는 쪽",
        Phrase::Tenant => "Microsoft 테넌트",
        Phrase::AnyTenant => "로그인하는 사람의 테넌트",
        Phrase::Kind => "파트너 유형",
        Phrase::KindDirect => "직접 청구 파트너",
        Phrase::KindProvider => "간접 공급자",
        Phrase::KindReseller => "간접 재판매인",
        Phrase::User => "사용자",
        Phrase::Unnamed => "이름 없음",
        Phrase::Roles => "관리자 역할",
        Phrase::RolesUnknown => "알 수 없음",
        Phrase::RolesNone => "없음",
        Phrase::RolesOther => "그 밖의 역할",
        Phrase::Permissions => "{panel}에서 로그인한 사용자의 이름으로 할 수 있는 일",
        Phrase::Means(permission) => permission.korean(),
        Phrase::Application => "애플리케이션",
        Phrase::SecondFactor => "다단계 인증",
        Phrase::ProvenByPartnerCenter => "Partner Center에서 확인됨",
        Phrase::ProvenByToken => "Microsoft의 서명된 응답으로 확인됨",
        Phrase::NotProven => "확인되지 않음",
        Phrase::SignedIn => "로그인: {time}",
        Phrase::ProofLasts => "{time}까지 유효",
        Phrase::Policy => "{panel}의 규칙",
        Phrase::PolicyAccepts => "충족함",
        Phrase::PolicyWarns => "충족하지만, 확인하기 전에 살펴보십시오:",
        Phrase::WarnsPowerful => {
            "이 사용자는 {roles}입니다. 필요 이상으로 강력한 역할이므로, 권한이 더 적은 전용 서비스 \
             계정을 쓰는 것이 안전합니다."
        }
        Phrase::WarnsRolesUnknown => {
            "이 사용자의 관리자 역할을 확인할 수 없었습니다. 필요 이상으로 강력할 수 있습니다."
        }
        Phrase::WarnsGuest => "이 사용자는 게스트입니다. 로그인은 다른 조직에서 관리합니다.",
        Phrase::WarnsGuestPerhaps => "이 사용자가 게스트인지 확인할 수 없었습니다.",
        Phrase::WarnsBeyond => "{panel}에서 요청한 것보다 많은 권한이 부여되었습니다: {scopes}.",
        Phrase::WarnsNoFactor => {
            "다단계 인증을 사용하지 않았습니다. 이 동의로 {panel}이(가) 하는 작업을 Microsoft에서 거부할 \
             수 있습니다."
        }
        Phrase::WarnsFactorUnknown => "다단계 인증을 사용했는지 확인할 수 없었습니다.",
        Phrase::WarnsWeaker => "다단계 인증 여부를 Partner Center에서 직접 확인하지 못했습니다.",
        Phrase::WarnsExpired => "다단계 인증 증명이 만료되었습니다. 새로 로그인하는 것이 좋습니다.",
        Phrase::WarnsKind => {
            "파트너 유형이 현재 유효한 동의와 다릅니다. 기존 유형: {from}, 변경될 유형: {to}."
        }
        Phrase::GoodUntil => "이 페이지는 {time}까지 유효합니다.",
        Phrase::BeginText => {
            "Microsoft에서 다단계 인증으로 로그인하고 동의한 뒤, 이곳으로 돌아와 확인합니다. 이 용도로 \
             정해 둔 계정을 사용하십시오. 전용 서비스 계정이 가장 좋습니다."
        }
        Phrase::Begin => "Microsoft로 계속",
        Phrase::ApproveTitle => "관리자의 승인이 먼저 필요하다면",
        Phrase::ApproveText => {
            "관리자만 애플리케이션을 승인할 수 있는 조직이 많습니다. 그럴 때는 관리자가 이 링크를 열어 조직 \
             전체에 먼저 승인합니다. 그것만으로는 {panel}이(가) 아무 일도 할 수 없습니다. 그 뒤 오늘이나 \
             다른 날에, 이 용도로 정해 둔 계정의 사용자가 같은 링크를 열고 위에서 계속합니다."
        }
        Phrase::ApprovalReported => {
            "{time}에 관리자가 승인했다는 응답이 있었습니다. 이제 이 용도로 정해 둔 계정으로 위에서 \
             계속하십시오."
        }
        Phrase::Approve => "관리자로서 승인",
        Phrase::ApproveHere => {
            "본인이 관리자이거나 관리자와 함께 계십니까? 그렇다면 이 브라우저에서 바로 승인할 수 있습니다. \
             Microsoft에 거절된 계정이 아직 로그인되어 있다면 그곳에서 다른 계정을 선택하거나, 링크를 시크릿 \
             창에서 여십시오."
        }
        Phrase::ApprovedTitle => "첫 단계가 끝났습니다",
        Phrase::ApprovedText => {
            "Microsoft에서 관리자가 조직 전체에 애플리케이션을 승인했다고 알려 왔습니다. 그것만으로는 \
             {panel}이(가) 아무 일도 할 수 없습니다."
        }
        Phrase::ApprovedTurn => {
            "이 용도로 정해 둔 계정의 사용자입니다. 오늘이나 다른 날에 같은 초대 링크를 열고 로그인합니다."
        }
        Phrase::ConfirmTitle => "이대로 진행할까요?",
        Phrase::ConfirmText => {
            "먼저 누가 권한을 받는지 확인하십시오. 권한은 Microsoft 또는 {panel}에서 언제든지 철회할 수 \
             있습니다."
        }
        Phrase::OtherStands => {
            "이 조직에는 이미 {standing}의 동의가 있습니다. 다른 사용자로 바꾸는 일은 {panel}에서만 할 \
             수 있으니 문의하십시오."
        }
        Phrase::Replaces => {
            "이 조직에는 이미 {standing}의 동의가 있습니다. {panel}은(는) {found}의 동의가 이를 대신하는 것을 \
             승인했습니다. 그때부터 {panel}은(는) {found}의 이름으로만 일합니다."
        }
        Phrase::Replace => "예, 이 동의로 바꿉니다",
        Phrase::Loses => "잃게 되는 고객",
        Phrase::LosesText => {
            "{panel}은(는) 기존 동의로 이 고객들을 위해 일하고 있지만, Microsoft는 이 사용자를 그곳에서 \
             거부합니다. 기존 사용자와 같은 액세스 권한을 이 사용자에게 준 뒤 초대의 링크를 다시 여십시오. \
             이 고객들을 잃어도 된다면 {panel}에 알리십시오."
        }
        Phrase::LosesApproved => {
            "{panel}은(는) 기존 동의로 이 고객들을 위해 일하고 있지만, Microsoft는 이 사용자를 그곳에서 \
             거부합니다. {panel}에서는 이 고객들을 잃는 것을 승인했습니다. 동의를 확인하시면 이 사용자가 \
             그곳의 액세스 권한을 받을 때까지 이 고객들을 위한 작업을 할 수 없습니다."
        }
        Phrase::Confirm => "예, 동의합니다",
        Phrase::Decline => "아니요, 동의하지 않습니다",
        Phrase::DoneTitle => "동의가 완료되었습니다",
        Phrase::DoneText => {
            "이제 {panel}이(가) 귀 조직을 위해 작업할 수 있습니다. 이 페이지를 닫아도 됩니다."
        }
        Phrase::DeclinedTitle => "아무 권한도 부여되지 않았습니다",
        Phrase::DeclinedText => {
            "이곳에 보관하던 내용은 지웠습니다. Microsoft에는 애플리케이션이 귀 조직의 목록에 남아 있을 \
             수 있으며, 관리자가 “엔터프라이즈 애플리케이션”에서 제거할 수 있습니다. 마음이 바뀌면 \
             초대 링크를 다시 열 수 있습니다."
        }
        Phrase::UnansweredTitle => "방금 이 브라우저에서 답하신 내용이 없습니다",
        Phrase::UnansweredText => {
            "이 페이지는 답변한 브라우저에만 10분 동안 그 결과를 알려 줍니다. 귀 조직의 동의가 유효한지는 \
             {panel}에 문의하십시오."
        }
        Phrase::MayStay => {
            "Microsoft에는 기록이 남아 있을 수 있습니다. Microsoft Entra의 “엔터프라이즈 애플리케이션”에 \
             이 애플리케이션이 있으면 귀 조직의 관리자가 그곳에서 제거할 수 있습니다. 그 기록만으로는 \
             {panel}이(가) 아무 일도 할 수 없습니다."
        }
        Phrase::Home => "{panel}(으)로 돌아가기",
        Phrase::Turn => "조치할 사람",
        Phrase::TurnYours => "귀하",
        Phrase::TurnAdministrator => "귀 조직의 관리자",
        Phrase::TurnPanel => "{panel} 담당자. 이 화면의 내용을 알려 주십시오.",
        Phrase::TurnNobody => "조치하실 일은 없습니다. 1분 뒤에 다시 시도하십시오.",
        Phrase::Reference => "지원 문의용 정보",
        Phrase::Title(problem) => title(problem),
        Phrase::Text(problem) => text(problem),
    }
}

const fn title(problem: Problem) -> &'static str {
    match problem {
        Problem::Lost => "없는 페이지입니다",
        Problem::Foreign => "페이지에 있는 버튼을 직접 누르십시오",
        Problem::WrongAnswer => "이곳에서 시작한 요청에 대한 응답이 아닙니다",
        Problem::OtherIssuer => "다른 로그인 서비스에서 온 응답입니다",
        Problem::AlreadyAnswered => "이미 끝난 단계입니다",
        Problem::TooLate => "시간이 너무 오래 걸렸습니다",
        Problem::OtherBrowser => "이 브라우저에서 시작하지 않았습니다",
        Problem::Declined => "Microsoft 화면에서 동의하지 않으셨습니다",
        Problem::NeedsAdministrator => "먼저 관리자의 승인이 필요합니다",
        Problem::WrongTenant => "다른 조직으로 로그인했습니다",
        Problem::VendorsOwn => "{panel} 자신의 조직입니다",
        Problem::PersonalAccount => "개인 계정입니다",
        Problem::GuestAccount => "게스트 계정입니다",
        Problem::TooPowerful => "권한이 너무 많은 계정입니다",
        Problem::RolesUnknown => "계정의 역할을 알 수 없습니다",
        Problem::NoSecondFactor => "다단계 인증을 사용하지 않았습니다",
        Problem::SecondFactorUnknown => "다단계 인증을 확인할 수 없습니다",
        Problem::SignInTooOld => "로그인한 지 너무 오래되었습니다",
        Problem::PermissionsMissing => "권한이 부족합니다",
        Problem::PermissionsBeyond => "요청한 것보다 많은 권한이 부여되었습니다",
        Problem::BoundElsewhere => "귀 조직은 다른 계정에 속해 있습니다",
        Problem::OtherUser => "다른 사용자의 동의가 있습니다",
        Problem::LosesCustomers => "고객을 잃게 됩니다",
        Problem::WeakerProof => "기존 동의가 더 확실합니다",
        Problem::OlderConsent => "더 새로운 동의가 있습니다",
        Problem::Withdrawn => "동의가 철회되었습니다",
        Problem::InvitationUnknown => "이 링크에는 초대가 없습니다",
        Problem::InvitationReplaced => "더 새로운 링크가 있습니다",
        Problem::InvitationExpired => "초대가 만료되었습니다",
        Problem::InvitationRevoked => "초대가 취소되었습니다",
        Problem::InvitationSpent => "이미 사용한 초대입니다",
        Problem::InvitationExhausted => "링크를 너무 여러 번 시도했습니다",
        Problem::ApprovalsExhausted => "승인을 너무 여러 번 시작했습니다",
        Problem::InvitationOutgrown => "초대 내용이 변경되었습니다",
        Problem::OtherInvitee => "다른 사용자가 초대되었습니다",
        Problem::BegunAnew => "이 브라우저에서 다시 시작하셨습니다",
        Problem::ConfirmedAlready => "이미 동의가 확정되었습니다",
        Problem::NothingToConfirm => "확인할 내용이 남아 있지 않습니다",
        Problem::TryAgain => "잠시 후 다시 시도하십시오",
        Problem::MicrosoftRefused => "Microsoft가 요청을 거부했습니다",
        Problem::PanelsFault => "{panel}에서 고쳐야 할 문제가 있습니다",
    }
}

const fn text(problem: Problem) -> &'static str {
    match problem {
        Problem::Lost => "초대에 있는 링크를 여십시오.",
        Problem::Foreign => {
            "다른 페이지에서 보낸 요청이거나, 브라우저가 출처를 밝히지 않았습니다. 처리된 것은 없습니다. \
             뒤로 가서 페이지의 버튼을 누르거나 초대 링크를 다시 여십시오."
        }
        Problem::WrongAnswer => "이곳에 저장된 것은 없습니다. 초대 링크를 다시 여십시오.",
        Problem::OtherIssuer => {
            "귀하를 로그인하도록 보낸 곳에서 온 응답이 아닙니다. 누군가 귀하를 속이려는 것이거나 설정이 \
             잘못된 것일 수 있습니다. 이곳에 저장된 것은 없습니다. 다시 시도하기 전에 {panel}에 알려 \
             주십시오."
        }
        Problem::AlreadyAnswered => {
            "페이지를 새로 고쳤거나 뒤로 가기를 눌렀습니다. 두 번 처리된 것은 없습니다. 답변을 기다리는 \
             페이지가 있으면 그곳에서 계속하고, 없으면 초대 링크를 다시 여십시오."
        }
        Problem::TooLate => {
            "시작부터 로그인까지 최대 30분입니다. 이곳에 저장된 것은 없습니다. 초대 링크를 다시 여십시오."
        }
        Problem::OtherBrowser => {
            "같은 브라우저에서 시작하고 끝내야 하며, 이 사이트의 쿠키를 허용해야 합니다. 쿠키는 시작한 \
             사람이 귀하임을 보여 줍니다. 이곳에 저장된 것은 없습니다. 이 브라우저에서 링크를 다시 \
             여십시오."
        }
        Problem::Declined => {
            "{panel}은(는) 아무것도 받지 않았습니다. 초대 링크를 다시 열 수 있습니다."
        }
        Problem::NeedsAdministrator => {
            "귀 조직에서는 관리자만 애플리케이션을 승인할 수 있습니다. 초대 링크를 관리자에게 보내십시오. \
             그 페이지에 관리자용 버튼이 있습니다. 승인이 끝나면 오늘이나 다른 날에 링크를 다시 열고 \
             로그인하십시오."
        }
        Problem::WrongTenant => {
            "초대는 테넌트 {expected}에 대한 것이지만, 로그인한 계정은 {found}에 속합니다. 이곳에 저장된 \
             것은 없습니다. 링크를 다시 열고 올바른 조직의 계정을 선택하십시오."
        }
        Problem::VendorsOwn => {
            "로그인한 계정은 {panel} 자신의 계정이며, 그 계정으로는 동의할 수 없습니다. 이곳에 저장된 \
             것은 없습니다. 초대받은 조직의 사용자가 자기 계정으로 링크를 열어야 합니다."
        }
        Problem::PersonalAccount => {
            "개인 계정으로는 동의할 수 없습니다. 이곳에 저장된 것은 없습니다. 링크를 다시 열고 조직의 회사 \
             계정으로 로그인하십시오."
        }
        Problem::GuestAccount => {
            "게스트는 동의할 수 없습니다. 게스트의 로그인은 다른 조직에서 관리하기 때문입니다. 이곳에 \
             저장된 것은 없습니다. 링크를 다시 열고 그 조직에 직접 속한 계정으로 로그인하십시오."
        }
        Problem::TooPowerful => {
            "이 계정은 {roles}이며, 필요 이상으로 강력합니다. 이곳에 저장된 것은 없습니다. 권한이 더 적은 \
             서비스 계정으로 로그인하거나 역할을 해제한 뒤 링크를 다시 여십시오."
        }
        Problem::RolesUnknown => {
            "Microsoft에서 이 계정의 관리자 역할을 알려 주지 않았고, {panel}에서는 권한이 너무 많은 계정을 \
             받지 않습니다. 이곳에 저장된 것은 없습니다."
        }
        Problem::NoSecondFactor => {
            "다단계 인증 없이 로그인했거나 다단계 인증을 통과하지 못했습니다. Microsoft에서는 이 작업에 \
             다단계 인증을 요구합니다. 이곳에 저장된 것은 없습니다. 계정에 다단계 인증을 설정하고 그것으로 \
             로그인한 뒤 링크를 다시 여십시오. 직접 할 수 없다면 관리자에게 요청하십시오."
        }
        Problem::SecondFactorUnknown => {
            "Microsoft에서 다단계 인증 여부를 알려 주지 않았습니다. 이곳에 저장된 것은 없습니다. 계정이 \
             다단계 인증을 사용하고 Partner Center를 쓸 수 있는지 확인한 뒤 링크를 다시 여십시오."
        }
        Problem::SignInTooOld => {
            "{panel}에서는 방금 한 로그인만 받는데, 이 로그인은 오래되었거나 오래되었을 수 있습니다. \
             이곳에 저장된 것은 없습니다. 링크를 다시 열고 새로 로그인하십시오."
        }
        Problem::PermissionsMissing => {
            "부여되지 않은 권한: {scopes}. 이곳에 저장된 것은 없습니다. 링크를 다시 열고 요청된 권한에 \
             모두 동의하십시오. 할 수 없다면 관리자에게 요청하십시오."
        }
        Problem::PermissionsBeyond => {
            "요청한 것 이상으로 부여된 권한: {scopes}. 이곳에 저장된 것은 없습니다. 관리자가 Microsoft \
             Entra의 “엔터프라이즈 애플리케이션”에서 지나친 권한을 제거한 뒤 링크를 다시 여십시오."
        }
        Problem::BoundElsewhere => {
            "{panel}에서 귀 조직은 다른 계정에 속해 있으며, 이는 바뀌지 않았습니다. 이번 로그인에서 \
             저장된 것은 없습니다. 잘못된 것이라면 {panel}에 알려 주십시오."
        }
        Problem::OtherUser => {
            "귀 조직의 다른 사용자가 이미 동의했고, {panel}은(는) 그 동의로 일하고 있습니다. 바뀐 것은 \
             없습니다. 귀하의 동의로 바꾸는 일은 이를 명시한 초대를 통해 {panel}에서만 할 수 있습니다."
        }
        Problem::LosesCustomers => {
            "{panel}이(가) 지금 일하고 있는 고객에서 Microsoft가 이 사용자를 거부합니다: {customers}. 바뀐 \
             것은 없으며 기존 동의가 계속 유효합니다. 관리자가 그곳의 액세스 권한을 이 사용자에게 준 뒤 \
             링크를 다시 여십시오. 이 고객들을 잃어도 된다면 {panel}에 알려 주십시오."
        }
        Problem::WeakerProof => {
            "기존 동의 때는 다단계 인증이 더 확실하게 증명되었습니다. 그 동의가 그대로 유지되며, 이번 \
             로그인에서 저장된 것은 없습니다. 귀하의 동의로 바꾸려면 계정이 다단계 인증을 사용하고 Partner \
             Center를 쓸 수 있는지 확인한 뒤 링크를 다시 여십시오."
        }
        Problem::OlderConsent => {
            "귀하가 로그인한 뒤에 귀 조직의 다른 동의가 확정되었거나 이전 동의가 복원되었습니다. 그 동의가 \
             그대로 유지되며, 이번 로그인에서 저장된 것은 없습니다. 귀하의 동의로 바꾸려면 초대 링크를 다시 \
             여십시오."
        }
        Problem::Withdrawn => {
            "이 링크를 보낸 뒤, 또는 시작하신 뒤에 귀 조직의 동의가 철회되었습니다. 이곳에 저장된 것은 \
             없습니다. {panel}에 새 초대를 요청하십시오."
        }
        Problem::InvitationUnknown => {
            "링크 전체를 복사했는지 확인하십시오. 전체를 복사했다면 이미 끝난 초대이니 {panel}에 새 초대를 \
             요청하십시오."
        }
        Problem::InvitationReplaced => {
            "더 최근에 받은 메일을 찾으십시오. 그 링크를 쓸 수 있습니다."
        }
        Problem::InvitationExpired => "{panel}에 새 초대를 요청하십시오.",
        Problem::InvitationRevoked => "예상하지 못한 일이라면 초대한 사람에게 문의하십시오.",
        Problem::InvitationSpent => {
            "이 초대로 이미 동의가 확인되었습니다. 본인이 하셨다면 모두 끝난 것입니다. 아니라면 즉시 \
             {panel}에 알려 주십시오."
        }
        Problem::InvitationExhausted => {
            "로그인은 열 번까지 시작할 수 있는데 이미 모두 사용되었습니다. {panel}에 새 초대를 \
             요청하십시오."
        }
        Problem::ApprovalsExhausted => {
            "승인은 열 번까지 시작할 수 있는데 이미 모두 사용되었습니다. 로그인 횟수는 따로 셉니다. 관리자가 \
             이미 승인했다면 이 용도로 정해 둔 계정의 사용자가 링크를 열어 계속할 수 있습니다. 다시 \
             승인하려면 {panel}에 새 초대를 요청하십시오."
        }
        Problem::InvitationOutgrown => {
            "{panel}에서 초대에 적힌 것보다 많은 권한을 요청하고 있습니다: {scopes}. 새 초대를 요청하십시오."
        }
        Problem::OtherInvitee => {
            "특정 사용자를 위한 초대인데 다른 사용자가 로그인했습니다. 이곳에 저장된 것은 없습니다. \
             링크를 다시 열고 초대받은 계정을 선택하십시오."
        }
        Problem::BegunAnew => "마지막 시도만 유효합니다. 그곳에서 계속하거나 링크를 다시 여십시오.",
        Problem::ConfirmedAlready => {
            "거절보다 동의 확인이 먼저 도착하여, 이제 {panel}에서 귀하의 조직을 위해 작업할 수 \
             있습니다. 의도하신 것이 아니라면 {panel} 담당자에게 동의 철회를 요청하십시오."
        }
        Problem::NothingToConfirm => {
            "이미 답하셨거나 10분이 지났습니다. 확인하지 않으셨다면 이곳에 저장된 것은 없습니다. 초대 \
             링크를 다시 여십시오."
        }
        Problem::TryAgain => {
            "Microsoft 또는 {panel}에서 일시적으로 응답할 수 없습니다. 사라진 내용은 없습니다."
        }
        Problem::MicrosoftRefused => {
            "Microsoft가 이 계정, 또는 {panel}이(가) 그 이름으로 요청한 것을 거부했습니다. 이곳에 저장된 \
             것은 없습니다. 아래에 번호가 있으면 관리자가 그 번호로 Microsoft Entra의 로그인 로그에서 \
             이유를 찾을 수 있습니다. 문제가 해결되면 초대 링크를 다시 여십시오."
        }
        Problem::PanelsFault => "귀하의 잘못이 아니며, 이곳에 저장된 것은 없습니다.",
    }
}
