//! directord: a high-availability director cluster manager.
//!
//! Paired daemons hold virtual addresses by VRRP, probe real servers, steer the kernel's IPVS tables and tell people
//! what happened. One deterministic brain ([`director`]) is handed facts and time and returns effects; one loop
//! ([`supervisor`]) carries the effects out; workers each own one piece of the outside.

pub mod cli;
pub mod config;
pub mod control;
pub mod director;
pub mod import;
pub mod supervisor;
