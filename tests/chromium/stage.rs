//! A panel that was made by hand, with the broker's steps as functions.

use std::ops::Deref;
use std::sync::Arc;

use axum::http::HeaderValue;

use crate::ground::{Ground, serve};
use crate::panel::Panel;
use crate::world::account;

pub struct Stage {
    ground: Ground,
    pub panel: Arc<Panel>,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with_cookie(|cookie| cookie).await
    }

    /// Whose panel does this to the flow's cookie, on its way to the browser.
    pub async fn with_cookie(change: fn(HeaderValue) -> HeaderValue) -> Self {
        let (ground, listener) = Ground::new().await;
        let broker = ground.broker.clone();
        let panel = Panel::new(broker, account("panel-1"), ground.contoso, change);
        serve(listener, panel.routes());
        Self { ground, panel }
    }
}

impl Deref for Stage {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}
