//! A partner's customers, in pages.
//!
//! Source: Partner Center REST, "Get a list of customers". Of where the next page is said to be only the
//! continuation token is taken: an address that came in a reply is not gone to.

use bytes::Bytes;
use http::{HeaderValue, Method};
use serde_json::Value;

use super::Order;
use super::order::CONTINUATION;
use crate::model::tenant::TenantId;
use crate::protocol::json::{Members, as_whole};

/// A customer as Partner Center lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerProfile {
    tenant: TenantId,
    name: Option<String>,
    domain: Option<String>,
    relationship: RelationshipToPartner,
    delegated_access: Option<bool>,
}

/// What the partner is to a customer, as Partner Center says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelationshipToPartner {
    /// It sells to the customer.
    Reseller,
    /// It advises the customer.
    Advisor,
    /// It sells through others.
    Syndication,
    /// None.
    None,
    /// Anything else, or not said.
    Unknown,
}

impl CustomerProfile {
    /// Its tenant.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The company's name; personal data where the company is a person.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its domain, such as `fabrikam.onmicrosoft.com`.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// What the partner is to it.
    #[must_use]
    pub const fn relationship(&self) -> RelationshipToPartner {
        self.relationship
    }

    /// Whether the older delegated access (DAP) is allowed, where that is said. Granular delegated
    /// administration (GDAP) is not told here.
    #[must_use]
    pub const fn delegated_access(&self) -> Option<bool> {
        self.delegated_access
    }

    fn read(item: Value) -> Option<Self> {
        let mut item = Members::from_value(item)?;
        let company = item.value("companyProfile").and_then(Members::from_value);
        let mut company = company.or_else(|| Members::parse(b"{}"))?;
        let id = item.text("id").ok()?.or(company.text("tenantId").ok()?)?;
        let relationship = item.text("relationshipToPartner").ok().flatten();
        Some(Self {
            tenant: TenantId::parse(&id).ok()?,
            name: company.text("companyName").ok().flatten().and_then(shown),
            domain: company.text("domain").ok().flatten().and_then(shown),
            relationship: RelationshipToPartner::named(relationship.as_deref()),
            delegated_access: item.value("allowDelegatedAccess").and_then(|value| value.as_bool()),
        })
    }
}

impl RelationshipToPartner {
    fn named(word: Option<&str>) -> Self {
        match word.map(str::to_ascii_lowercase).as_deref() {
            Some("reseller") => Self::Reseller,
            Some("advisor") => Self::Advisor,
            Some("syndication") => Self::Syndication,
            Some("none") => Self::None,
            _ => Self::Unknown,
        }
    }
}

/// Where the next page begins. It is Partner Center's, and nothing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(HeaderValue);

/// One page of customers.
#[derive(Debug)]
pub(crate) struct CustomerPage {
    pub(crate) customers: Vec<CustomerProfile>,
    /// How many there are in all, where that is said.
    pub(crate) total: Option<u64>,
    pub(crate) next: Option<Mark>,
}

impl CustomerPage {
    /// Asks for the first page, or for the one behind a mark.
    pub(crate) fn order(after: Option<Mark>) -> Order {
        let first = |seek| format!("/v1/customers?size={SIZE}{seek}");
        match after {
            None => Order::new(Method::GET, first("")),
            Some(Mark(token)) => Order::new(Method::GET, first("&seekOperation=Next")).after(token),
        }
    }

    /// Reads a page; nothing where it is none, or where it leads back to where it was had.
    pub(crate) fn read(body: &Bytes, at: Option<&Mark>) -> Option<Self> {
        let mut page = Members::parse_marked(body)?;
        let items = page.list("items").ok()??;
        let customers = items.into_iter().map(CustomerProfile::read).collect::<Option<_>>()?;
        let total = page.value("totalCount").as_ref().and_then(as_whole);
        let next = match mark_in(&mut page) {
            Some(mark) if Some(&mark) == at => return None,
            next => next,
        };
        Some(Self { customers, total, next })
    }
}

/// The continuation token stands in the page itself, or among the headers of its link.
fn mark_in(page: &mut Members<'_>) -> Option<Mark> {
    let token = page.text("continuationToken").ok().flatten();
    let token = token.or_else(|| {
        let mut links = page.value("links").and_then(Members::from_value)?;
        let mut next = links.value("next").and_then(Members::from_value)?;
        next.list("headers").ok()??.into_iter().find_map(continuation)
    })?;
    let fits = !token.is_empty() && token.len() <= LONGEST_MARK;
    HeaderValue::try_from(token).ok().filter(|_| fits).map(Mark)
}

fn continuation(header: Value) -> Option<String> {
    let mut header = Members::from_value(header)?;
    let key = header.text("key").ok()??;
    let value = header.text("value").ok()??;
    key.eq_ignore_ascii_case(CONTINUATION).then_some(value)
}

/// What is shown to people has an end, and no line breaks.
fn shown(text: String) -> Option<String> {
    let plain: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!plain.is_empty()).then_some(plain)
}

/// As many as Partner Center gives at once.
const SIZE: usize = 500;
const LONGEST_MARK: usize = 4096;
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Option<CustomerPage> {
        CustomerPage::read(&Bytes::copy_from_slice(text.as_bytes()), None)
    }

    const FABRIKAM: &str = "3c9ea5f0-62a4-4d3a-8b0c-1b1f2f2f0a11";

    #[test]
    fn a_page_is_read_with_its_mark_wherever_that_stands() {
        let item = format!(
            "{{\"id\":\"{FABRIKAM}\",\"companyProfile\":{{\"tenantId\":\"{FABRIKAM}\",\
             \"domain\":\"fabrikam.example\",\"companyName\":\"Fab\\nrikam\"}},\
             \"relationshipToPartner\":\"Reseller\",\"allowDelegatedAccess\":false}}"
        );
        let links = r#"{"next":{"uri":"https://evil.example/","headers":
            [{"key":"Authorization","value":"x"},{"key":"ms-continuationtoken","value":"m1"}]}}"#;
        for (end, mark) in [
            ("", None),
            (",\"continuationToken\":\"m1\"", Some("m1")),
            (&format!(",\"links\":{links}"), Some("m1")),
            (",\"continuationToken\":\"\"", None),
            (",\"continuationToken\":\"a\\nb\"", None),
        ] {
            let text = format!("\u{feff}{{\"totalCount\":7,\"items\":[{item}]{end}}}");
            let page = page(&text).expect("a page");
            let next = page.next.map(|Mark(token)| token.to_str().expect("ASCII").to_owned());
            assert_eq!((page.total, next.as_deref()), (Some(7), mark), "{end}");
            let [customer] = &page.customers[..] else { panic!("one") };
            assert_eq!(customer.tenant().to_string(), FABRIKAM);
            assert_eq!(
                (customer.name(), customer.domain()),
                (Some("Fabrikam"), Some("fabrikam.example"))
            );
            assert_eq!(customer.relationship(), RelationshipToPartner::Reseller);
            assert_eq!(customer.delegated_access(), Some(false));
        }
    }

    #[test]
    fn what_is_no_page_is_none_and_no_customer_is_passed_over() {
        for text in [
            "",
            "{}",
            r#"{"items":null}"#,
            r#"{"items":[{}]}"#,
            r#"{"items":[{"id":"x"}]}"#,
            r#"{"items":[7]}"#,
        ] {
            assert!(page(text).is_none(), "{text}");
        }
        assert!(page(r#"{"items":[]}"#).expect("a page").customers.is_empty());
        let own = format!("{{\"items\":[{{\"companyProfile\":{{\"tenantId\":\"{FABRIKAM}\"}}}}]}}");
        assert_eq!(page(&own).expect("a page").customers.len(), 1);
    }

    #[test]
    fn a_page_that_leads_to_itself_is_none() {
        let body = Bytes::from_static(br#"{"items":[],"continuationToken":"m1"}"#);
        let first = CustomerPage::read(&body, None).expect("a page");
        assert!(CustomerPage::read(&body, first.next.as_ref()).is_none());
    }
}
