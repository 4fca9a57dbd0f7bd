//! Export and import.

use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, mpsc};

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::store::{Filter, Kind, Memory, Selection, Store};
use cpv_consent::{
    Absence, Broker, ConsentState, Environment, Error, Event, ExportCode, ImportOutcome,
    KeptBecause, Recipient, RecipientKey, Remedy, Resource, TransferError,
};
use tokio::sync::oneshot;

use crate::searcher::{Searcher, Secret};
use crate::transfer::{PAIR, Paper, Parcel, elsewhere, export, fault, import, kept_back, pair};
use crate::world::recorder::Recorder;
use crate::world::{DAY, HOUR, MINUTE, World, accept, account, capture, raw};

const KEY: [u8; 32] = *b"\x81another site's key, 32 bytes...";

/// Everything that lies in a store of this world's realm.
async fn contents(world: &World, store: &Memory) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let (realm, selection) = (world.app.realm(), Selection::All);
        let filter = Filter { realm, kind, selection, cursor: None, limit: 1000 };
        let page = store.list(filter).await.expect("memory");
        found.extend(page.records.into_iter().map(|stored| {
            (format!("{kind} {}", stored.key.id()), stored.entry.sealed.as_bytes().to_vec())
        }));
    }
    found
}

async fn state(broker: &Broker, world: &World) -> ConsentState {
    let consent = broker.partner(world.contoso).consent().await.expect("readable");
    consent.expect("stored").state().clone()
}

#[tokio::test]
async fn a_consent_that_moved_is_unproven_until_it_has_worked_once() {
    let world = World::new().await;
    let here = world.broker().await;
    let consent = world.onboard(&here).await;
    world.clock.advance(HOUR);
    let parcel = export(&here).await;
    assert_eq!((parcel.report.consents(), parcel.report.tombstones()), (1, 0));
    assert!(world.events().contains(&Event::ConsentsExported { consents: 1, tombstones: 0 }));

    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    let report = import(&there, &parcel).await.expect("an import");
    assert_eq!((report.taken(), report.withdrawn(), report.kept_back_in_all()), (1, 0, 0));
    assert_eq!(report.first_taken(), [world.contoso]);
    let moved = there.partner(world.contoso).consent().await.expect("readable").expect("stored");
    assert!(matches!(moved.state(), ConsentState::Unproven { .. }));
    assert_eq!(moved.generation(), consent.generation());
    assert_eq!((moved.user(), moved.account()), (consent.user(), consent.account()));
    assert_eq!(moved.deadline(), consent.deadline());
    let imported = |event: &Event| matches!(event, Event::ConsentImported { from: None, .. });
    assert_eq!(world.events().iter().filter(|event| imported(event)).count(), 1);

    there.partner(world.contoso).token(Resource::PartnerCenter).await.expect("it works");
    assert_eq!(state(&there, &world).await, ConsentState::Live);
    assert_eq!(state(&here, &world).await, ConsentState::Live);
}

#[tokio::test]
async fn using_a_customer_proves_an_unproven_consent_too() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    import(&there, &export(&here).await).await.expect("an import");
    let customer = there.partner(world.contoso).customer(world.fabrikam);
    customer.token(Resource::Graph).await.expect("it works");
    assert_eq!(state(&there, &world).await, ConsentState::Live);
}

#[tokio::test]
async fn an_unproven_consent_that_fails_is_suspended() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    import(&there, &export(&here).await).await.expect("an import");
    world.entra.fail_tokens(Rule::any(), Failure::aadsts(50173));
    let error = there.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(error, Err(Error::Entra { .. })), "{error:?}");
    assert!(matches!(state(&there, &world).await, ConsentState::Suspended(_)));
}

#[tokio::test]
async fn a_second_import_changes_nothing() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let gone = world.onboard_another(&here, "litware").await;
    here.partner(gone).withdraw().await.expect("withdrawn");
    let parcel = export(&here).await;
    assert_eq!((parcel.report.consents(), parcel.report.tombstones()), (1, 1));
    let store = Arc::new(Memory::new());
    let there = elsewhere(&world, &world.app, store.clone(), &KEY).await;
    let first = import(&there, &parcel).await.expect("an import");
    assert_eq!((first.taken(), first.withdrawn()), (1, 1));
    let after_first = contents(&world, &store).await;
    let second = import(&there, &parcel).await.expect("an import");
    assert_eq!((second.taken(), second.withdrawn()), (0, 0));
    assert_eq!(kept_back(&second), [KeptBecause::HereAlready; 2]);
    assert_eq!(contents(&world, &store).await, after_first);
}

#[tokio::test]
async fn a_later_export_brings_the_newer_token_and_an_older_one_brings_nothing() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let old = export(&here).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    import(&there, &old).await.expect("an import");
    world.clock.advance(8 * DAY);
    here.partner(world.contoso).token(Resource::PartnerCenter).await.expect("rotated");
    let young = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(young.taken(), 1);
    let deadline = async |broker: &Broker| {
        let consent = broker.partner(world.contoso).consent().await.expect("readable");
        consent.expect("stored").deadline()
    };
    assert_eq!(deadline(&there).await, deadline(&here).await);
    assert_eq!(
        kept_back(&import(&there, &old).await.expect("an import")),
        [KeptBecause::HereAlready]
    );
    assert_eq!(deadline(&there).await, deadline(&here).await);
}

#[tokio::test]
async fn nothing_newer_is_overwritten_and_nobody_comes_back() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let old = export(&broker).await;
    world.clock.advance(MINUTE);
    let second = world.onboard(&broker).await;
    let report = import(&broker, &old).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::NewerHere]);
    let standing = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(standing, Some(second));

    let newer = export(&broker).await;
    broker.partner(world.contoso).withdraw().await.expect("withdrawn");
    for parcel in [&old, &newer] {
        let report = import(&broker, parcel).await.expect("an import");
        assert_eq!(kept_back(&report), [KeptBecause::WithdrawnHere]);
        let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
        let withdrawn = Error::NoConsent { partner: world.contoso, absence: Absence::Withdrawn };
        assert_eq!(token.expect_err("withdrawn").to_string(), withdrawn.to_string());
    }

    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    let report = import(&broker, &newer).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::WithdrawnHere], "also once it has come back");
    assert_eq!(state(&broker, &world).await, ConsentState::Live);
}

#[tokio::test]
async fn a_partner_that_was_let_go_there_is_let_go_here() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let store = Arc::new(Memory::new());
    let there = elsewhere(&world, &world.app, store, &KEY).await;
    let live = export(&here).await;
    import(&there, &live).await.expect("an import");
    there.partner(world.contoso).token(Resource::PartnerCenter).await.expect("it works");

    here.partner(world.contoso).withdraw().await.expect("withdrawn");
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!((report.withdrawn(), report.first_withdrawn()), (1, [world.contoso].as_slice()));
    let token = there.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::NoConsent { absence: Absence::Withdrawn, .. })));
    let report = import(&there, &live).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::WithdrawnHere]);
}

#[tokio::test]
async fn a_partner_that_was_shredded_there_is_let_go_here() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    let live = export(&here).await;
    import(&there, &live).await.expect("an import");
    here.partner(world.contoso).shred().await.expect("shredded");
    let parcel = export(&here).await;
    assert_eq!((parcel.report.consents(), parcel.report.tombstones()), (0, 1));
    assert_eq!(import(&there, &parcel).await.expect("an import").withdrawn(), 1);
    assert!(matches!(state(&there, &world).await, ConsentState::Withdrawn { .. }));
    let again = import(&there, &parcel).await.expect("an import");
    assert_eq!(kept_back(&again), [KeptBecause::HereAlready]);
    let report = import(&there, &live).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::WithdrawnHere]);
    let report = import(&here, &live).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::ShreddedHere]);
}

#[tokio::test]
async fn a_partner_of_another_account_stays_with_it() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    let pending = there.partner(world.contoso).request_consent(account("panel-2"));
    let request = accept(&pending.await.expect("a flow"), &world.admin).await;
    let found = capture(&there, &request).await.expect("everything holds");
    found.confirm().await.expect("a consent");
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::OtherAccountHere]);
    let standing = there.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(standing.expect("stored").account(), &account("panel-2"));
}

#[tokio::test]
async fn an_export_of_another_cloud_environment_or_application_is_refused_whole() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let parcel = export(&here).await;
    let foreign = World::new().await;
    let sandbox = world.app.clone().environment(Environment::Sandbox);
    for app in [&sandbox, &foreign.app] {
        let store = Arc::new(Memory::new());
        let there = elsewhere(&world, app, store.clone(), &KEY).await;
        let before = store.realms().await.expect("memory");
        let error = import(&there, &parcel).await.expect_err("another realm");
        assert_eq!(error.remedy(), Remedy::FixRegistration);
        let Error::Transfer(TransferError::OtherRealm { found, own }) = error else {
            panic!("{error:?}")
        };
        assert_ne!(found, own);
        assert!(there.partner(world.contoso).consent().await.expect("readable").is_none());
        assert_eq!(store.realms().await.expect("memory"), before, "nothing was written");
    }
}

#[tokio::test]
async fn a_wrong_key_a_wrong_code_and_a_wrong_file_each_say_what_to_do() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let parcel = export(&here).await;
    let store = Arc::new(Memory::new());
    let there = elsewhere(&world, &world.app, store.clone(), &KEY).await;
    let before = contents(&world, &store).await;
    let other = RecipientKey::from_pem(&pair().private).expect("a key");
    let own = RecipientKey::from_pem(&PAIR.private).expect("a key");
    let stranger = export(&here).await.code;
    let from = |bytes: &[u8]| Cursor::new(bytes.to_vec());
    let wrong_key = there.import(&other, &parcel.code, from(&parcel.bytes)).run().await;
    let wrong_code = there.import(&own, &stranger, from(&parcel.bytes)).run().await;
    let wrong_file = there.import(&own, &parcel.code, from(b"SQLite format 3\0")).run().await;
    for (outcome, expected) in [
        (wrong_key, TransferError::OtherKey),
        (wrong_code, TransferError::OtherCode),
        (wrong_file, TransferError::NotAnExport),
    ] {
        let fault = fault(outcome);
        assert!(fault.to_string().contains(": give the "), "{fault}");
        assert_eq!(fault, expected);
    }
    let text = parcel.code.expose();
    let again: ExportCode = text.parse().expect("as it was written down");
    assert_eq!(contents(&world, &store).await, before);
    let report = there.import(&own, &again, from(&parcel.bytes)).run().await.expect("an import");
    assert_eq!(report.taken(), 1);
}

/// Five partners and an export of them.
async fn five(world: &World) -> Parcel {
    let here = world.broker().await;
    world.onboard(&here).await;
    for name in ["a", "b", "c", "d"] {
        world.onboard_another(&here, name).await;
    }
    export(&here).await
}

#[tokio::test]
async fn an_import_that_broke_off_goes_on_where_it_was() {
    let world = World::new().await;
    let parcel = five(&world).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    let cut = Parcel { bytes: parcel.bytes[..parcel.bytes.len() - 1].to_vec(), ..parcel };
    assert_eq!(fault(import(&there, &cut).await), TransferError::Cut);
    let trailing = Parcel { bytes: [parcel.bytes.as_slice(), b"x"].concat(), ..cut };
    assert_eq!(fault(import(&there, &trailing).await), TransferError::Trailing);
    let whole = Parcel { bytes: parcel.bytes, ..trailing };
    let report = import(&there, &whole).await.expect("an import");
    assert_eq!((report.taken(), report.kept_back_in_all()), (0, 5), "the frame was whole before");
}

#[tokio::test]
async fn each_partner_is_told_as_it_is_taken() {
    let world = World::new().await;
    let parcel = five(&world).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    let key = RecipientKey::from_pem(&PAIR.private).expect("a key");
    let mut told = Vec::new();
    let import = there.import(&key, &parcel.code, Cursor::new(parcel.bytes.clone()));
    let report = import
        .each(|partner, outcome, so_far| told.push((partner, outcome, so_far.taken())))
        .run()
        .await
        .expect("an import");
    assert_eq!(report.taken(), 5);
    assert!(told.iter().all(|(_, outcome, _)| *outcome == ImportOutcome::Taken));
    assert_eq!(told.iter().map(|(_, _, taken)| *taken).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(told.iter().any(|(partner, ..)| *partner == world.contoso));
}

#[tokio::test]
async fn a_reader_or_writer_that_panics_or_fails_is_told() {
    // F-31
    struct Broken(bool);

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0, "on purpose");
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }

    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            assert!(!self.0, "on purpose");
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let world = World::new().await;
    let broker = world.broker().await;
    let recipient = Recipient::from_pem(&PAIR.public).expect("a key");
    let key = RecipientKey::from_pem(&PAIR.private).expect("a key");
    let code = export(&broker).await.code;
    let full = broker.export(&recipient, Broken(false)).run().await.expect_err("full");
    let write = TransferError::Write(io::ErrorKind::StorageFull);
    assert!(matches!(full, Error::Transfer(fault) if fault == write));
    let reset = broker.import(&key, &code, Broken(false)).run().await;
    assert_eq!(fault(reset), TransferError::Read(io::ErrorKind::ConnectionReset));
    let panicked = broker.export(&recipient, Broken(true)).run().await.expect_err("a panic");
    assert!(matches!(panicked, Error::Defect(_)), "{panicked:?}");
    let panicked = broker.import(&key, &code, Broken(true)).run().await;
    assert!(matches!(panicked, Err(Error::Defect(_))), "{panicked:?}");
}

#[tokio::test]
async fn a_damaged_consent_is_left_out_by_name_and_one_here_stays() {
    // F-22
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let litware = world.onboard_another(&here, "litware").await;
    let whole = export(&here).await;
    let id = litware.to_string();
    let mut sealed = raw::row(&world.store_folder(), "consent", &id).sealed;
    *sealed.last_mut().expect("bytes") ^= 1;
    raw::overwrite(&world.store_folder(), "consent", &id, &sealed);
    let parcel = export(&here).await;
    assert_eq!((parcel.report.consents(), parcel.report.left_out_in_all()), (1, 1));
    let [left_out] = parcel.report.left_out() else { panic!("one") };
    assert_eq!((left_out.partner, left_out.kind), (Some(litware), Kind::Consent));
    let report = import(&here, &whole).await.expect("an import");
    let kept = report.kept_back().iter().find(|kept| kept.partner == litware);
    let kept = kept.expect("it is named");
    assert_eq!(kept.because, KeptBecause::DamagedHere);
    assert_eq!(
        kept.to_string(),
        format!("partner {litware}: the partner's record here is damaged")
    );
}

#[tokio::test]
async fn an_export_holds_no_secret_in_clear_and_its_parts_show_none() {
    //
    let world = World::new().await;
    let recorder = Recorder::new();
    let builder = world.builder(world.store().await).http(recorder.clone());
    let here = builder.build().await.expect("a broker");
    world.onboard(&here).await;
    here.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    let parcel = export(&here).await;
    let replies = recorder.seen();
    let tokens = replies.iter().filter_map(|seen| {
        let reply: serde_json::Value = serde_json::from_slice(&seen.reply).ok()?;
        Some(reply.get("refresh_token")?.as_str()?.to_owned())
    });
    let mut secrets: Vec<Secret> =
        tokens.map(|token| Secret::new("refresh token", token)).collect();
    assert!(secrets.len() >= 2, "the search is for something");
    secrets.push(Secret::new("code", parcel.code.expose()));
    secrets.push(Secret::new("sealing key", *world.sealing_key()));
    secrets.push(Secret::new("partner", world.contoso.to_string()));
    secrets.push(Secret::new("user", world.admin.id.to_string()));
    assert_eq!(Searcher::for_all(&secrets).find(&parcel.bytes), None);
    secrets.truncate(secrets.len() - 2); // who they are may be shown
    let searcher = Searcher::for_all(&secrets);
    let recipient = Recipient::from_pem(&PAIR.public).expect("a key");
    let key = RecipientKey::from_pem(&PAIR.private).expect("a key");
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        parcel.code,
        key,
        here.import(&key, &parcel.code, Cursor::new(parcel.bytes.clone())),
        here.export(&recipient, Paper::default()),
    );
    assert_eq!(searcher.find(shown.as_bytes()), None);
}

/// Takes the manifest, then waits to be told to go on.
struct Slow {
    paper: Paper,
    parts: usize,
    reached: Option<oneshot::Sender<()>>,
    go_on: mpsc::Receiver<()>,
}

/// The head of an export, and the four parts of its first frame.
const MANIFEST: usize = 5;

impl io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.parts += 1;
        if let Some(reached) = self.reached.take_if(|_| self.parts > MANIFEST) {
            reached.send(()).expect("somebody waits");
            self.go_on.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        self.paper.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_export_dropped_half_way_leaves_nothing_that_is_taken_for_whole() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let recipient = Recipient::from_pem(&PAIR.public).expect("a key");
    let (paper, code) = (Paper::default(), Arc::new(Mutex::new(None)));
    let ((reached, half_way), (go, go_on)) = (oneshot::channel(), mpsc::channel());
    let slow = Slow { paper: paper.clone(), parts: 0, reached: Some(reached), go_on };
    let told = code.clone();
    let export = here.export(&recipient, slow).progress(move |exported| {
        *told.lock().expect("one export") = Some(exported.code().clone());
    });
    tokio::select! {
        ended = export.run() => panic!("{ended:?}"),
        reached = half_way => reached.expect("it comes that far"),
    }
    drop(go);
    assert!(code.lock().expect("one export").is_none(), "nothing was told");
    let whole = crate::transfer::export(&here).await;
    assert!(paper.bytes().len() < whole.bytes.len());
    let half = Parcel { bytes: paper.bytes(), ..whole };
    assert_eq!(fault(import(&here, &half).await), TransferError::OtherCode);
    assert!(world.events().iter().filter(|event| is_export(event)).count() == 1);
}

const fn is_export(event: &Event) -> bool {
    matches!(event, Event::ConsentsExported { .. })
}
