//! What is: pods as Kubernetes knows them, servers as they answer.

pub mod facts;
pub mod pods;
pub mod probe;
pub mod read;

pub use probe::observe;
