mod master;
mod memory;
mod properties;
mod replicas;
mod sentinels;
mod settings;
pub(crate) mod world;
