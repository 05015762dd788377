//! The stories, one file each.

pub(crate) mod all_in_one;
pub(crate) mod basic;
pub(crate) mod custom_config;
pub(crate) mod examples;
pub(crate) mod first_start;
pub(crate) mod leader;
pub(crate) mod no_webhook;
pub(crate) mod password;
pub(crate) mod persistence;
pub(crate) mod refusals;
pub(crate) mod rotations;
pub(crate) mod sentinel_password;
pub(crate) mod settings_at_boot;
pub(crate) mod steady_state;
