//! What happens in one execution. Each scenario holds under every schedule.

pub mod closing;
pub mod hand_outs;
pub mod keeping;
pub mod single;
mod world;
