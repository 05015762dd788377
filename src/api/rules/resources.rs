//! Requests and limits of containers.

use std::fmt::Arguments;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::catalogue::{Rule, rule};
use super::{Findings, quantity as amount};
use crate::api::Problem;

const NOT_A_QUANTITY: &Rule = rule("not-a-quantity");
const ABOVE_LIMIT: &Rule = rule("request-above-limit");
const UNKNOWN: &Rule = rule("unknown-resource");

/// Resources without a prefix that containers can have.
const KNOWN: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// Two spellings of one amount differ by rounding.
const ROUNDING: f64 = 1.0 + 1e-9;

/// Checks the requests and limits at a path.
pub(super) fn check(path: Arguments<'_>, resources: Option<&ResourceRequirements>, found: &mut Findings) {
    let Some(resources) = resources else { return };
    let (requests, limits) = (resources.requests.as_ref(), resources.limits.as_ref());
    for (kind, amounts) in [("requests", requests), ("limits", limits)] {
        for (name, value) in amounts.into_iter().flatten() {
            known(format_args!("{path}.{kind}"), name, found);
            quantity(format_args!("{path}.{kind}"), name, value, found);
        }
    }
    for (name, request) in requests.into_iter().flatten() {
        let Some(limit) = limits.and_then(|limits| limits.get(name)) else { continue };
        let numbers = (amount::kubernetes(&request.0), amount::kubernetes(&limit.0));
        if let (Some(wanted), Some(allowed)) = numbers
            && wanted > allowed * ROUNDING
        {
            let reason = format!("is more than the limit of {}", limit.0);
            let problem = Problem::new(
                format!("{path}.requests.{name}"),
                &request.0,
                reason,
                "lower it, or raise the limit",
            );
            found.report_for(ABOVE_LIMIT, &[&path.to_string()], problem);
        }
    }
}

fn known(path: Arguments<'_>, name: &str, found: &mut Findings) {
    if !(name.contains('/') || KNOWN.contains(&name) || name.starts_with("hugepages-")) {
        let mend = format!("write one of {}, or a name with a prefix", KNOWN.join(", "));
        let path = path.to_string();
        found.report_for(
            UNKNOWN,
            &[&path],
            Problem::new(&path, name, "is not a resource of containers", mend),
        );
    }
}

/// Checks one amount, by the name that it has at the path.
pub(super) fn quantity(path: Arguments<'_>, name: &str, value: &Quantity, found: &mut Findings) {
    if amount::kubernetes(&value.0).is_none_or(|number| number < 0.0) {
        let field = if name.is_empty() { path.to_string() } else { format!("{path}.{name}") };
        let problem = Problem::new(field, &value.0, "is not a quantity", "write it as in 500m, 512Mi or 1Gi");
        found.report_for(NOT_A_QUANTITY, &[&path.to_string()], problem);
    }
}
