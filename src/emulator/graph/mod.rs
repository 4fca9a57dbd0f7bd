//! Microsoft Graph, as far as a broker reads back what it was granted and for whom.
//!
//! Every read is there under `v1.0` and under `beta`, with the permissions that Graph's reference
//! lists for it.
//!
//! Source: Microsoft Graph REST API, "Error responses", "Paging", "Query parameters".

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use super::state::World;

mod call;
mod fault;
mod grants;
mod page;
mod people;
mod principals;
mod query;
mod relationships;

use fault::Fault;

pub(super) fn routes(world: &Arc<World>) -> Router {
    Router::new()
        .route("/{version}/me", get(people::me))
        .route("/{version}/me/memberOf", get(people::memberships))
        .route("/{version}/me/transitiveMemberOf", get(people::memberships))
        .route("/{version}/organization", get(people::organization))
        .route("/{version}/servicePrincipals", get(principals::list))
        .route("/{version}/servicePrincipals/{id}", get(principals::by_id))
        .route("/{version}/servicePrincipals/{id}/oauth2PermissionGrants", get(grants::of_id))
        .route("/{version}/oauth2PermissionGrants", get(grants::list))
        .route("/{version}/oauth2PermissionGrants/{id}", get(grants::one))
        .route(RELATIONSHIPS, get(relationships::list))
        .route(&format!("{RELATIONSHIPS}/{{id}}"), get(relationships::one))
        .route(
            &format!("{RELATIONSHIPS}/{{id}}/accessAssignments"),
            get(relationships::assignments),
        )
        // An entity with its key in brackets, such as `servicePrincipals(appId='…')`.
        .route("/{version}/{keyed}", get(principals::by_key))
        .route("/{version}/{keyed}/oauth2PermissionGrants", get(grants::of_key))
        .fallback(async || Fault::no_segment())
        .method_not_allowed_fallback(async || Fault::no_method())
        .layer(from_fn_with_state(Arc::clone(world), fault::with_ids))
        .with_state(Arc::clone(world))
}

const RELATIONSHIPS: &str = "/{version}/tenantRelationships/delegatedAdminRelationships";
