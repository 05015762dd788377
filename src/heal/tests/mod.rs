mod master;
mod memory;
mod properties;
mod replicas;
mod sentinels;
mod settings;
pub(super) mod world;
