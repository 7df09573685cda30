//! The laboratory: what the project's tests and its demonstration run in.
//!
//! [`guest`] boots a User-Mode Linux kernel with real IPVS as an ordinary process, without root; [`cluster`] is a
//! client, two directors and three real servers inside one; [`scenario`] plays something on them and reports it;
//! [`demo`] is the one that `cargo demo` shows. [`netns`] is the lighter tier on this machine's own kernel.
//! [`packages`] fetches the programs all of them need.

pub mod adoption;
pub mod cargo;
pub mod cluster;
pub mod counters;
pub mod demo;
pub mod drain;
pub mod error;
pub mod event;
pub mod guard;
pub mod guest;
pub mod init;
pub mod job;
pub mod modules;
pub mod netns;
pub mod packages;
pub mod restart;
pub mod scenario;
pub mod sniff;
pub mod synchronisation;
pub mod timeline;
pub mod via;
