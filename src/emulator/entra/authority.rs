//! The directory that a path names.

use crate::emulator::refusal::Refusal;
use crate::emulator::state::World;
use crate::emulator::state::flow::Authority;

impl Authority {
    /// Reads a path segment; a tenant, by its id or a domain, must exist.
    pub(super) fn of(world: &World, segment: &str) -> Result<Self, Refusal> {
        match segment {
            "common" => return Ok(Self::Common),
            "organizations" => return Ok(Self::Organizations),
            "consumers" => return Err(Refusal::new(90_130).about(segment)),
            _ => {}
        }
        let tenant = world.directory().tenant_named(segment);
        tenant.map(Self::Tenant).ok_or_else(|| Refusal::new(90_002).about(segment))
    }
}
