//! What is: pods as Kubernetes knows them, servers as they answer.

pub mod facts;
