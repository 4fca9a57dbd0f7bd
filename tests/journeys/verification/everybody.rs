//! Every partner: none stops the look, and it may be dropped and taken up again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Aspect, Broker, Error, Http, HttpError, Reqwest, TenantId, Verdict};
use http::{Request, Response};

use crate::verification::{GLOBAL_ADMINISTRATOR, consented, give_role};
use crate::world::{MINUTE, World, raw};

/// Five partners beside the first, in the order of their ids.
async fn six_partners(world: &World, broker: &Broker) -> Vec<TenantId> {
    let mut partners = vec![world.contoso];
    for name in ["a", "b", "c", "d", "e"] {
        partners.push(world.onboard_another(broker, name).await);
    }
    partners.sort_by_key(ToString::to_string);
    world.entra.forget_ledger();
    partners
}

#[tokio::test]
async fn no_partner_stops_the_look_at_the_others() {
    let (world, broker) = consented().await;
    let partners = six_partners(&world, &broker).await;
    let others: Vec<_> = partners.iter().copied().filter(|p| *p != world.contoso).collect();
    let [withdrawn, damaged, blocked, failing, sound] = others[..] else { panic!("five") };
    give_role(&world, GLOBAL_ADMINISTRATOR);
    broker.partner(withdrawn).withdraw().await.expect("let go");
    raw::overwrite(&world.store_folder(), "consent", &damaged.to_string(), b"torn");
    world.entra.fail_tokens(Rule::any().tenant(blocked), Failure::aadsts(53003));
    world.entra.fail_tokens(Rule::any().tenant(failing), Failure::status(503));

    let mut told = Vec::new();
    let look = broker.verify_all().each(|one| told.push(one.partner())).at_once(2);
    let verified = look.run().await.expect("the store is well");
    assert!(told.is_sorted_by_key(ToString::to_string), "{told:?}");
    let expected: BTreeSet<_> =
        [world.contoso, blocked, failing, sound].map(|p| p.to_string()).into();
    assert_eq!(told.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), expected);

    assert_eq!((verified.partners(), verified.damaged_in_all()), (4, 1));
    assert_eq!(verified.damaged()[0].partner, Some(damaged));
    assert_eq!(verified.count(Aspect::Alive, Verdict::Passed), 2);
    assert_eq!(verified.count(Aspect::Alive, Verdict::Failed), 1, "blocked");
    assert_eq!(verified.count(Aspect::Alive, Verdict::Unknown), 1, "failing");
    assert_eq!(verified.count(Aspect::LeastPrivilege, Verdict::Failed), 1, "contoso");
    assert_eq!(verified.overall(Verdict::Failed), 2);
    assert_eq!(verified.overall(Verdict::Unknown), 1, "failing");
    assert_eq!(verified.overall(Verdict::Passed), 1, "sound");
    assert_eq!(verified.unsound().len(), 3);
    assert!(!verified.is_sound());
    assert_eq!(verified.unverified_in_all(), 0);
}

#[tokio::test]
async fn a_look_that_was_dropped_goes_on_behind_its_last_partner() {
    let (world, broker) = consented().await;
    let partners = six_partners(&world, &broker).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let last = {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (mut stop, into) = (Some(stop), seen.clone());
        let look = broker.verify_all().at_once(1);
        let look = look.each(move |one| into.lock().expect("seen").push(one.partner()));
        let look = look.progress(move |so_far| {
            if so_far.partners() == 2 {
                let _told = stop.take().map(|stop| stop.send(so_far.last()));
            }
        });
        tokio::select! {
            biased;
            last = stopped => last.expect("told").expect("two are done"),
            _ = look.run() => panic!("it ran to its end"),
        }
    };
    assert_eq!(*seen.lock().expect("seen"), partners[..2]);
    assert_eq!(last, partners[1]);

    let into = seen.clone();
    let look = broker.verify_all().after(last);
    let look = look.each(move |one| into.lock().expect("seen").push(one.partner()));
    assert_eq!(look.run().await.expect("the rest").partners(), 4);
    assert_eq!(*seen.lock().expect("seen"), partners, "each once");
}

#[tokio::test]
async fn no_more_are_asked_at_once_than_was_said() {
    let (world, broker) = consented().await;
    six_partners(&world, &broker).await;
    let gauge = Gauge::new();
    let builder = world.builder(world.store().await).http(gauge.clone());
    let broker = builder.build().await.expect("a broker");
    let held = world.entra.hold_tokens();
    let released = async {
        held.waiting(2).await;
        held.release();
    };
    let (verified, ()) = tokio::join!(broker.verify_all().at_once(2).run(), released);
    assert_eq!(verified.expect("the store is well").partners(), 6);
    assert_eq!(gauge.most(), 2);
}

#[tokio::test]
async fn a_store_that_cannot_list_is_an_error() {
    let (world, broker) = consented().await;
    raw::execute(&world.store_folder(), "consent", "ALTER TABLE record RENAME TO gone");
    let looked = broker.verify_all().run().await;
    assert!(matches!(looked, Err(Error::Store(_))), "{looked:?}");
}

#[tokio::test]
async fn who_could_not_be_looked_at_is_named_with_the_reason() {
    let (world, broker) = consented().await;
    let partners = six_partners(&world, &broker).await;
    let looking = broker.clone();
    broker.close(MINUTE).await;
    let verified = looking.verify_all().run().await.expect("the store is well");
    assert_eq!((verified.partners(), verified.unverified_in_all()), (6, 6));
    let named = verified.unverified();
    assert!(named.iter().all(|one| matches!(one.error(), Error::Closed)), "{named:?}");
    assert_eq!(named.iter().map(|one| one.partner()).collect::<Vec<_>>(), partners);
    assert!(!verified.is_sound());
}

/// HTTP that counts how many requests are under way.
#[derive(Debug, Clone)]
struct Gauge {
    inner: Reqwest,
    /// Now, and at most so far.
    under_way: Arc<Mutex<(usize, usize)>>,
}

impl Gauge {
    fn new() -> Self {
        Self { inner: Reqwest::new().expect("root certificates"), under_way: Arc::default() }
    }

    fn most(&self) -> usize {
        self.under_way.lock().expect("not poisoned").1
    }

    fn step(&self, change: isize) {
        let mut under_way = self.under_way.lock().expect("not poisoned");
        under_way.0 = under_way.0.checked_add_signed(change).expect("each ends once");
        under_way.1 = under_way.1.max(under_way.0);
    }
}

#[async_trait]
impl Http for Gauge {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        self.step(1);
        let reply = self.inner.send(request, longest_body).await;
        self.step(-1);
        reply
    }
}
