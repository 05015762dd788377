//! What only a real API server can prove: etcd and kube-apiserver run for this binary, without kubelets and
//! controllers, so there are no pods and nothing collects garbage.

#[cfg(test)]
mod certificate_bundles;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod certificates_of_others;
#[cfg(test)]
mod children;
#[cfg(test)]
mod controller;
#[cfg(test)]
mod conversion;
#[cfg(test)]
mod crd;
#[cfg(test)]
mod examples;
#[cfg(test)]
#[path = "../helm/mod.rs"]
mod helm;
#[cfg(test)]
mod lease;
#[cfg(test)]
#[allow(dead_code)] // Other tests use the rest of it.
#[path = "../support/processes.rs"]
mod processes;
#[cfg(test)]
mod pushed;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod server;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod webhook;
