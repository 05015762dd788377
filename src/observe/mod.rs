//! What is: pods as Kubernetes knows them, servers as they answer, and what was heard of them in between.

mod alarm;
pub mod evidence;
pub mod facts;
pub mod heard;
mod held;
mod patience;
pub mod pods;
pub mod probe;
pub mod read;
pub mod watch;

pub use alarm::Owner;
pub use patience::GRACE;
pub use probe::observe;
pub use watch::Watch;
