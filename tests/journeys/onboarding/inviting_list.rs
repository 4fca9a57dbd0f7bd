//! Invitations in a panel: page by page, per account and per partner, and at no other's door.

use std::collections::BTreeSet;

use cpv_consent::{Broker, InvitationCursor, InvitationId, Invitations, Refused};

use crate::world::{self, DAY, HOUR, World, account, answer, capture, raw, refused};

/// The ids of all pages, in order.
async fn listed(invitations: Invitations<'_>, limit: usize) -> Vec<InvitationId> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = invitations.page(limit, after.as_ref()).await.expect("a page");
        assert!(page.invitations().len() <= limit);
        ids.extend(page.invitations().iter().map(|invitation| invitation.id().clone()));
        let Some(next) = page.next() else { return ids };
        after = Some(InvitationCursor::parse(&next.to_string()).expect("as written"));
    }
}

async fn invite(broker: &Broker, world: &World, name: &str, hours: u32) -> InvitationId {
    let request = broker.partner(world.contoso).invite(account(name)).expires_in(hours * HOUR);
    request.await.expect("an invitation").invitation().id().clone()
}

#[tokio::test]
async fn each_is_listed_once_and_those_that_end_first_come_first() {
    let world = World::new().await;
    let broker = world.broker().await;
    let mut ids = Vec::new();
    for hours in [5, 3, 9, 1, 7, 7, 7] {
        ids.push((hours, invite(&broker, &world, "panel-1", hours).await));
    }
    ids.sort();
    let expected: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
    for limit in [1, 2, 3, 7, 50] {
        assert_eq!(listed(broker.invitations(), limit).await, expected, "{limit} at a time");
    }
    world.clock.advance(2 * HOUR);
    let page = broker.invitations().page(2, None).await.expect("a page");
    let statuses = page.invitations().iter().map(|i| i.status().to_string());
    assert_eq!(statuses.collect::<Vec<_>>(), ["expired", "open"]);
}

#[tokio::test]
async fn an_account_sees_its_own_and_a_partner_those_that_concern_it() {
    let world = World::new().await;
    let broker = world.broker().await;
    let litware = world.entra.add_tenant("litware");
    let one = invite(&broker, &world, "panel-1", 1).await;
    let two = invite(&broker, &world, "panel-2", 2).await;
    let three = broker.partner(litware).invite(account("panel-1")).expires_in(DAY);
    let three = three.await.expect("an invitation").invitation().id().clone();
    let first = broker.first_invitation(account("panel-3")).expires_in(2 * DAY).await;
    let first = first.expect("an invitation");

    let all = broker.invitations();
    let of = |name: &str| all.clone().of_account(account(name));
    assert_eq!(listed(of("panel-1"), 1).await, [one.clone(), three.clone()]);
    assert_eq!(listed(of("panel-2"), 9).await.as_slice(), std::slice::from_ref(&two));
    assert_eq!(listed(all.clone().of_partner(world.contoso), 9).await, [one.clone(), two.clone()]);
    assert_eq!(listed(of("panel-1").of_partner(litware), 9).await, [three]);
    assert!(listed(of("panel-1").of_account(account("panel-2")), 9).await.is_empty());

    let request = answer(&broker, &first, &world.admin).await;
    capture(&broker, &request).await.expect("everything holds").confirm().await.expect("a consent");
    let concerned = listed(all.of_partner(world.contoso), 9).await;
    assert_eq!(concerned, [one, two, first.invitation().id().clone()], "it has answered the last");
}

#[tokio::test]
async fn at_another_accounts_door_an_invitation_is_not_there() {
    let world = World::new().await;
    let broker = world.broker().await;
    let id = invite(&broker, &world, "panel-1", 1).await;
    let stranger = broker.account(account("panel-2")).invitations();
    for view in [stranger.clone(), stranger.of_account(account("panel-1"))] {
        assert_eq!(refused(view.find(&id).await), Refused::InvitationUnknown);
        assert_eq!(refused(view.revoke(&id).await), Refused::InvitationUnknown);
        assert_eq!(refused(view.resend(&id).await), Refused::InvitationUnknown);
        assert!(listed(view, 9).await.is_empty());
    }
    let own = broker.account(account("panel-1")).invitations();
    assert_eq!(own.find(&id).await.expect("its own").status().to_string(), "open");
    own.resend(&id).await.expect("sent again");
    own.revoke(&id).await.expect("revoked");
}

#[tokio::test]
async fn one_that_does_not_open_hides_no_other() {
    // F-22
    let world = World::new().await;
    let broker = world.broker().await;
    let mut sound = BTreeSet::new();
    for hours in 1..=4 {
        sound.insert(invite(&broker, &world, "panel-1", hours).await);
    }
    let harmed = sound.pop_first().expect("one of four");
    raw::overwrite(&world.store_folder(), "invitation", &harmed.to_string(), &[0; 300]);
    let page = broker.invitations().page(9, None).await.expect("a page");
    let found: BTreeSet<_> = page.invitations().iter().map(|i| i.id().clone()).collect();
    assert_eq!(found, sound);
    let [damaged] = page.damaged() else { panic!("{:?}", page.damaged()) };
    assert_eq!(damaged.id, harmed.to_string());
    let error = broker.invitations().find(&harmed).await.expect_err("it does not open");
    assert_eq!(error.to_string(), "the invitation record is damaged: invite anew");
    let scanned = broker.scan().run().await.expect("a scan");
    assert_eq!(scanned.damaged_in_all(), 1);
    assert_eq!(world::rows(&world.store_folder(), "invitation"), 4);
}

#[test]
fn a_cursor_is_read_as_it_was_written() {
    for wrong in ["", ".", "1.", "1.x", "x.AAAAAAAAAAAAAAAAAAAAAA", "01.AAAAAAAAAAAAAAAAAAAAAA"] {
        InvitationCursor::parse(wrong).expect_err(wrong);
    }
    InvitationCursor::parse("1.AAAAAAAAAAAAAAAAAAAAAA").expect("a cursor");
}
