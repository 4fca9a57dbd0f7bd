//! A partner's customers, as Partner Center lists them.

use crate::error::Error;
use crate::journeys::office::{Errand, Office};
use crate::protocol::partner_center::{CustomerPage, CustomerProfile, Mark};

/// A partner's customers, a page at a time: see [`Partner::customers`](crate::Partner::customers).
///
/// It is where it was after a failure: the same page is asked for once more.
#[derive(Debug)]
#[must_use = "nobody is asked before a page is"]
pub struct Customers<'b> {
    office: &'b Office,
    errand: Errand,
    total: Option<u64>,
    next: Next,
}

#[derive(Debug, Clone)]
enum Next {
    First,
    Behind(Mark),
    Nothing,
}

impl<'b> Customers<'b> {
    pub(crate) const fn new(office: &'b Office, errand: Errand) -> Self {
        Self { office, errand, total: None, next: Next::First }
    }

    /// How many there are in all, as the last page said.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// The next page, of 500 at most; `None` once all were had. A page may be empty.
    ///
    /// # Errors
    /// As [`Partner::token`](crate::Partner::token); [`Error::PartnerCenter`] when Partner Center
    /// refuses; [`Error::PartnerCenterReply`] when its answer is no page of customers;
    /// [`Error::Resting`] for as long as it asked to be left alone.
    pub async fn next(&mut self) -> Result<Option<Vec<CustomerProfile>>, Error> {
        let after = match self.next.clone() {
            Next::Nothing => return Ok(None),
            Next::First => None,
            Next::Behind(mark) => Some(mark),
        };
        let body = self.office.send(&self.errand, CustomerPage::order(after.clone())).await?;
        let partner = self.errand.partner;
        let page = CustomerPage::read(&body, after.as_ref());
        let page = page.ok_or(Error::PartnerCenterReply { partner })?;
        self.total = page.total.or(self.total);
        self.next = page.next.map_or(Next::Nothing, Next::Behind);
        Ok(Some(page.customers))
    }

    /// All that are left, in memory: some 200 bytes each.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn all(mut self) -> Result<Vec<CustomerProfile>, Error> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}
