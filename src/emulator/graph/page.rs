//! Answers: one entity, or a page of a collection.
//!
//! Source: Microsoft Graph, "Paging".

use axum::Json;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::call::Call;
use super::fault::Fault;

impl Call {
    /// One entity.
    pub(super) fn entity(&self, of: &str, item: Value) -> Json<Value> {
        let mut item = self.query.selected(item);
        item["@odata.context"] = Value::from(self.context(&format!("{of}/$entity")));
        Json(item)
    }

    /// A page of a collection, which can be filtered by the properties that are named.
    pub(super) fn page(
        &self,
        of: &str,
        filterable: &[&str],
        all: impl IntoIterator<Item = Value>,
    ) -> Result<Json<Value>, Fault> {
        let wrong = self.query.filter.iter().find(|(name, _)| !filterable.contains(&name.as_str()));
        if let Some((name, _)) = wrong {
            let message = "Unsupported or invalid query filter clause specified for property";
            return Err(Fault::bad_query(format!("{message} '{name}'.")));
        }
        let found: Vec<Value> = all.into_iter().filter(|item| self.query.admits(item)).collect();
        let from = self.offset()?.min(found.len());
        let size = self.query.top.unwrap_or_else(|| self.world.script().graph_page_size);
        let until = found.len().min(from.saturating_add(size));
        let mut body = json!({ "@odata.context": self.context(of) });
        if self.query.count {
            body["@odata.count"] = Value::from(found.len());
        }
        if until < found.len() {
            body["@odata.nextLink"] = Value::from(self.next_link(until));
        }
        let page = found.into_iter().take(until).skip(from);
        body["value"] = page.map(|item| self.query.selected(item)).collect();
        Ok(Json(body))
    }

    fn offset(&self) -> Result<usize, Fault> {
        let Some(token) = &self.query.skip_token else { return Ok(0) };
        let opened = self.world.seal.open(PAGE, token);
        let (path, from): (String, usize) = opened.ok_or_else(Fault::expired_page)?;
        if path == self.path { Ok(from) } else { Err(Fault::expired_page()) }
    }

    fn next_link(&self, from: usize) -> String {
        let token = self.world.seal.close(PAGE, &(&self.path, from));
        let mut link = format!("{}{}?", self.site.graph, self.path);
        for (name, value) in &self.query.kept {
            let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            link.push_str(&format!("{name}={value}&"));
        }
        format!("{link}$skiptoken={token}")
    }
}

const PAGE: &str = "p.";
