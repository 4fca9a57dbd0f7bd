//! A stage on which one store call is made at a time, in the order that a script says.
//!
//! Every actor is a process of its own: a broker with its own gate before the one store. A call
//! waits at its gate until the script lets it pass, and nobody else moves until all that follows
//! from it has happened, however long the store takes over it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use cpv_consent::VirtualClock;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use tokio::sync::oneshot;

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stage(Arc<Mutex<Scene>>);

#[derive(Debug, Default)]
struct Scene {
    /// Whether calls wait at all.
    closed: bool,
    waiting: Vec<Call>,
    /// Calls that were let pass and have not returned.
    under_way: usize,
    /// How often an actor went on.
    moves: u64,
    /// Who wants to know when the thread has nothing to do.
    idle: Option<oneshot::Sender<()>>,
    slow: Slow,
}

/// What becomes of the write of a consent that comes by a slow gate.
#[derive(Debug, Default)]
enum Slow {
    /// It passes as any other call does.
    #[default]
    No,
    /// It is to stay under way, and has not come yet.
    Awaited,
    /// It stays under way.
    Held(oneshot::Sender<()>),
}

/// A call at its gate.
#[derive(Debug)]
struct Call {
    turn: oneshot::Sender<()>,
    slow: bool,
    writes_consent: bool,
}

impl Stage {
    /// Plays on one thread, with one more for what may block.
    pub fn run<P: Future<Output = ()>>(play: impl FnOnce(Self) -> P) {
        let stage = Self::default();
        let parking = stage.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .on_thread_park(move || parking.thread_is_idle())
            .build()
            .expect("a runtime");
        runtime.block_on(play(stage));
    }

    pub fn gate(&self, store: &Arc<dyn Store>) -> Gate {
        Gate { stage: self.clone(), store: store.clone(), slow: false }
    }

    /// A gate by which the write of a consent may be long under way.
    pub fn slow_gate(&self, store: &Arc<dyn Store>) -> Gate {
        Gate { slow: true, ..self.gate(store) }
    }

    /// From now on calls wait. If it `holds`, the next write of a consent that comes by a slow gate
    /// stays under way, and nobody begins before it.
    pub fn close(&self, holds: bool) {
        let mut scene = self.scene();
        scene.closed = true;
        scene.slow = if holds { Slow::Awaited } else { Slow::No };
    }

    /// From now on none does.
    pub fn open(&self) {
        let waiting = {
            let mut scene = self.scene();
            scene.closed = false;
            std::mem::take(&mut scene.waiting)
        };
        for call in waiting {
            self.pass(call.turn);
        }
    }

    /// Lets one of those that wait pass; none passes where nobody waits.
    pub fn step(&self, choice: usize) -> bool {
        let Some(call) = self.scene().choose(choice) else { return false };
        self.pass(call);
        true
    }

    /// Lets the write arrive that was long under way; whether there was one.
    pub fn release(&self) -> bool {
        let Slow::Held(call) = std::mem::take(&mut self.scene().slow) else { return false };
        self.pass(call);
        true
    }

    /// Returns once nothing moves any more but at the script's word.
    pub async fn settle(&self) {
        loop {
            self.idle().await;
            let moves = self.scene().moves;
            // What was begun on the one blocking thread before has ended then, and whoever waited
            // for it has gone on before the thread is idle again.
            tokio::task::spawn_blocking(|| ()).await.expect("it does not panic");
            self.idle().await;
            if self.scene().moves == moves {
                return;
            }
        }
    }

    /// Every task waits, and none of them for the store.
    async fn idle(&self) {
        let (tell, told) = oneshot::channel();
        self.scene().idle = Some(tell);
        told.await.expect("the stage outlives its plays");
    }

    /// The runtime says so whenever no task can go on.
    fn thread_is_idle(&self) {
        let mut scene = self.scene();
        if scene.under_way > 0 {
            return;
        }
        let idle = scene.idle.take();
        drop(scene);
        if let Some(idle) = idle {
            let _ = idle.send(()); // nobody listens after a play that failed
        }
    }

    /// Counts how often an actor goes on.
    pub async fn follow<T>(self, actor: impl Future<Output = T>) -> T {
        let mut actor = std::pin::pin!(actor);
        std::future::poll_fn(|context| {
            self.scene().moves += 1;
            actor.as_mut().poll(context)
        })
        .await
    }

    /// A call that was dropped at its gate is gone.
    fn pass(&self, call: oneshot::Sender<()>) {
        self.scene().under_way += 1;
        if call.send(()).is_err() {
            self.scene().under_way -= 1;
        }
    }

    async fn admit(&self, slow: bool, writes_consent: bool) -> Pass {
        let come = {
            let mut scene = self.scene();
            if !scene.closed {
                scene.under_way += 1;
                return Pass(self.clone());
            }
            let (turn, come) = oneshot::channel();
            scene.waiting.push(Call { turn, slow, writes_consent });
            come
        };
        come.await.expect("the stage outlives its actors");
        Pass(self.clone())
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Scene {
    /// Until the slow write is under way, nobody passes but who leads to it.
    fn choose(&mut self, choice: usize) -> Option<oneshot::Sender<()>> {
        if matches!(self.slow, Slow::Awaited) {
            let first = self.waiting.iter().position(|call| call.slow)?;
            let call = self.waiting.remove(first);
            if !call.writes_consent {
                return Some(call.turn);
            }
            self.slow = Slow::Held(call.turn);
        }
        match self.waiting.len() {
            0 => None,
            waiting => Some(self.waiting.remove(choice % waiting).turn),
        }
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
    slow: bool,
}

impl Gate {
    async fn admit(&self) -> Pass {
        self.stage.admit(self.slow, false).await
    }
}

#[async_trait]
impl Store for Gate {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let _pass = self.admit().await;
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        let _pass = self.stage.admit(self.slow, key.kind() == Kind::Consent).await;
        self.store.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        let _pass = self.admit().await;
        self.store.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        let _pass = self.admit().await;
        self.store.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        let _pass = self.admit().await;
        self.store.realms().await
    }

    fn promises(&self) -> Promises {
        self.store.promises()
    }
}
