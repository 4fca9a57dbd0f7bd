//! What each test begins with: a world in good order, its manifest, and a look at it.

use cpv_consent::{Broker, BrokerBuilder, Checked, Checkup, Manifest, Topic, Trouble};
use serde_json::{Value, json};

use crate::world::World;

pub use crate::world::SECRET;

/// The manifest of a world's registration, as Graph answers it once all is done.
pub fn manifest(world: &World) -> Manifest {
    changed(world, |_| {})
}

/// The same with something changed.
pub fn changed(world: &World, change: impl FnOnce(&mut Value)) -> Manifest {
    let written = Manifest::of(&world.app, "Vendor Panel").to_json();
    let mut all: Value = serde_json::from_str(&written).expect("JSON");
    all["passwordCredentials"] = json!([{ "keyId": "x", "endDateTime": "2999-01-31T00:00:00Z" }]);
    all["verifiedPublisher"] = json!({ "verifiedPublisherId": "1234567" });
    change(&mut all);
    Manifest::from_json(&all.to_string()).expect("a manifest")
}

/// A builder on the world's own store.
pub async fn builder(world: &World) -> BrokerBuilder {
    world.builder(world.store().await)
}

pub async fn look(world: &World, builder: &BrokerBuilder) -> Checkup {
    let manifest = manifest(world);
    let checkup = builder.doctor().manifest(&manifest).panel("panel.example").await;
    let shown = format!("{checkup} {checkup:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    checkup
}

/// What one topic's only line says.
pub fn outcome(checkup: &Checkup, topic: Topic) -> &Checked {
    let mut lines = checkup.lines().iter().filter(|line| line.topic() == topic);
    let line = lines.next().unwrap_or_else(|| panic!("no line of {topic}: {checkup}"));
    assert!(lines.next().is_none(), "{topic} has more than one line: {checkup}");
    line.outcome()
}

/// The only trouble there is; it says what to do.
pub fn only(checkup: &Checkup, topic: Topic) -> Trouble {
    let failures: Vec<_> = checkup.failures().collect();
    let [(found, trouble)] = failures.as_slice() else { panic!("not one failure: {checkup}") };
    assert_eq!(*found, topic, "{checkup}");
    assert!(!trouble.mend().is_empty() && !checkup.is_healthy(), "{checkup}");
    (*trouble).clone()
}

/// Another registration on the world's store and clock.
pub async fn builder_of(world: &World, app: cpv_consent::AppRegistration) -> BrokerBuilder {
    Broker::builder(app, world.store().await, world.keys()).clock(world.clock.clone()).retries(0)
}
