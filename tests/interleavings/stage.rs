//! A stage on which one store call is made at a time, in the order that a script says.
//!
//! Every actor is a process of its own: a broker with its own gate before the one store. A call
//! waits at its gate until the script lets it pass, and nobody else moves until all that follows
//! from it has happened.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use cpv_consent::VirtualClock;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Page, Promises, Revision, Store, StoreError, Stored,
};
use tokio::sync::oneshot;

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stage(Arc<Mutex<Scene>>);

#[derive(Debug, Default)]
struct Scene {
    /// Whether calls wait at all.
    closed: bool,
    waiting: Vec<oneshot::Sender<()>>,
    /// Calls that were let pass and have not returned.
    under_way: usize,
}

impl Stage {
    pub fn gate(&self, store: &Arc<dyn Store>) -> Gate {
        Gate { stage: self.clone(), store: store.clone() }
    }

    /// From now on calls wait.
    pub fn close(&self) {
        self.scene().closed = true;
    }

    /// From now on none does.
    pub fn open(&self) {
        let waiting = {
            let mut scene = self.scene();
            scene.closed = false;
            std::mem::take(&mut scene.waiting)
        };
        for call in waiting {
            self.pass(call);
        }
    }

    /// Lets one of those that wait pass; none passes where nobody waits.
    pub fn step(&self, choice: usize) -> bool {
        let call = {
            let mut scene = self.scene();
            match scene.waiting.len() {
                0 => return false,
                waiting => scene.waiting.remove(choice % waiting),
            }
        };
        self.pass(call);
        true
    }

    /// Returns once nothing moves any more but at the script's word.
    pub async fn settle(&self) {
        let (mut quiet, mut seen) = (0, None);
        while quiet < 3 {
            // There is one blocking thread, so what was begun on it before has ended then.
            tokio::task::spawn_blocking(|| ()).await.expect("it does not panic");
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
            let scene = self.scene();
            let now = (scene.waiting.len(), scene.under_way);
            quiet = if now.1 == 0 && seen == Some(now) { quiet + 1 } else { 0 };
            seen = Some(now);
        }
    }

    /// A call that was dropped at its gate is gone.
    fn pass(&self, call: oneshot::Sender<()>) {
        self.scene().under_way += 1;
        if call.send(()).is_err() {
            self.scene().under_way -= 1;
        }
    }

    async fn admit(&self) -> Pass {
        let turn = {
            let mut scene = self.scene();
            if !scene.closed {
                scene.under_way += 1;
                return Pass(self.clone());
            }
            let (pass, turn) = oneshot::channel();
            scene.waiting.push(pass);
            turn
        };
        turn.await.expect("the stage outlives its actors");
        Pass(self.clone())
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().expect("nobody panics with it")
    }
}

/// Plays until all have ended: by the script, then first come, first served. Where everybody waits
/// for time to pass, it passes.
pub async fn play(
    stage: &Stage,
    clock: &VirtualClock,
    script: &[u8],
    ended: impl Fn() -> bool,
    mut after_each: impl AsyncFnMut(),
) {
    let mut script = script.iter().map(|choice| usize::from(*choice)).chain(std::iter::repeat(0));
    stage.close();
    for _ in 0..MOST_STEPS {
        stage.settle().await;
        after_each().await;
        if ended() {
            stage.open();
            return;
        }
        if !stage.step(script.next().expect("it repeats")) {
            assert!(clock.sleepers() > 0, "everybody waits for nothing");
            clock.advance(Duration::from_millis(500));
        }
    }
    panic!("no end in {MOST_STEPS} steps");
}

const MOST_STEPS: usize = 5000;

/// Counts a call until it has returned, or was dropped.
struct Pass(Stage);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.scene().under_way -= 1;
    }
}

/// One process's way to the store.
#[derive(Debug)]
pub struct Gate {
    stage: Stage,
    store: Arc<dyn Store>,
}

#[async_trait]
impl Store for Gate {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let _pass = self.stage.admit().await;
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        let _pass = self.stage.admit().await;
        self.store.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        let _pass = self.stage.admit().await;
        self.store.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        let _pass = self.stage.admit().await;
        self.store.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        let _pass = self.stage.admit().await;
        self.store.realms().await
    }

    fn promises(&self) -> Promises {
        self.store.promises()
    }
}
