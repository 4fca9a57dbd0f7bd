//! The APIs of the registration, each with what is asked of it.

use std::sync::{Arc, PoisonError};

use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scopes};
use crate::model::sync::Mutex;

/// An API for which tokens can be had.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Its place among the offers.
    pub(crate) number: u16,
    pub(crate) resource: Resource,
    /// What is registered.
    pub(crate) scopes: Arc<Scopes>,
    /// What was granted last: mostly the same for everybody, so that it is kept once.
    granted: Mutex<Arc<Scopes>>,
}

impl Offer {
    /// These scopes, in the one copy that all tokens share where they agree.
    pub(crate) fn sharing(&self, granted: Scopes) -> Arc<Scopes> {
        if *self.scopes == granted {
            return self.scopes.clone();
        }
        let mut last = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        if **last != granted {
            *last = Arc::new(granted);
        }
        last.clone()
    }
}

/// All offers of one registration.
#[derive(Debug)]
pub(crate) struct Offers(Vec<Arc<Offer>>);

impl Offers {
    pub(crate) fn of(app: &AppRegistration) -> Self {
        let mut resources: Vec<&Resource> =
            app.scopes().iter().map(|scope| scope.resource()).collect();
        resources.dedup();
        let offer = |(number, resource): (u16, &Resource)| {
            let scopes = Arc::new(app.scopes().of(resource));
            let granted = Mutex::new(scopes.clone());
            Arc::new(Offer { number, resource: resource.clone(), scopes, granted })
        };
        Self((0..).zip(resources).map(offer).collect())
    }

    #[inline]
    pub(crate) fn find(&self, resource: &Resource) -> Option<&Arc<Offer>> {
        self.0.iter().find(|offer| offer.resource == *resource)
    }
}

#[cfg(test)]
impl Offers {
    /// Partner Center alone.
    pub(crate) fn plain() -> Self {
        let scopes = Arc::new(Scopes::default());
        let granted = Mutex::new(scopes.clone());
        Self(vec![Arc::new(Offer {
            number: 0,
            resource: Resource::PartnerCenter,
            scopes,
            granted,
        })])
    }
}
