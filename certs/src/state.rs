//! What a keeper tells the rest of the program.

use jiff::Timestamp;

use crate::plan::Life;
use crate::{Bundle, Error};

/// So many failures in a row are trouble; fewer are the weather of a network.
pub(crate) const PATIENCE: u32 = 3;

/// The state of the certificates, as one replica sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What every webhook trusts; none before they agree.
    pub bundle: Option<Bundle>,
    /// The certificates in use: [`SERVING`] and [`AUTHORITY`], as far as they are known.
    pub certificates: Vec<(&'static str, Life)>,
    /// What a person has to look at.
    pub trouble: Option<Trouble>,
}

/// The name of the served certificate in [`State::certificates`].
pub const SERVING: &str = "serving";
/// The name of the CA in [`State::certificates`].
pub const AUTHORITY: &str = "ca";

/// Why a person has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// A fixed word.
    pub reason: &'static str,
    /// A sentence.
    pub text: String,
}

/// The trouble after a round: its failure, once it has lasted, or else a certificate that nears its end. What was
/// wrong stays so until a round goes well.
pub(crate) fn trouble(
    before: Option<&Trouble>,
    failure: Option<(&Error, u32)>,
    certificates: &[(&'static str, Life)],
    now: Timestamp,
) -> Option<Trouble> {
    match failure {
        Some((error, times)) if times >= PATIENCE => {
            Some(Trouble { reason: error.reason(), text: error.to_string() })
        }
        Some(_) => before.cloned(),
        None => certificates.iter().find(|(_, life)| life.ends_soon(now)).map(|(name, life)| Trouble {
            reason: "CertificateExpiring",
            text: format!(
                "the {name} certificate ends at {} and should have been renewed by now",
                life.not_after
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Life = Life { not_before: Timestamp::constant(0, 0), not_after: Timestamp::constant(600, 0) };

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    #[test]
    fn a_failure_is_trouble_once_it_lasts_and_until_a_round_goes_well() {
        let error = Error::Missing("tls".to_owned());
        let turn = |before: Option<&Trouble>, times| trouble(before, Some((&error, times)), &[], at(0));
        assert_eq!(turn(None, 2), None);
        let lasting = turn(None, 3);
        assert_eq!(lasting.as_ref().map(|trouble| trouble.reason), Some("CertificateMissing"));
        assert_eq!(turn(lasting.as_ref(), 1), lasting, "no flapping");
        assert_eq!(trouble(lasting.as_ref(), None, &[("serving", LIFE)], at(0)), None);
    }

    #[test]
    fn a_certificate_in_the_last_sixth_of_its_life_is_trouble() {
        let at_second = |second| trouble(None, None, &[("serving", LIFE)], at(second));
        assert_eq!(at_second(499), None);
        let found = at_second(500).unwrap();
        assert_eq!(found.reason, "CertificateExpiring");
        assert_eq!(
            found.text,
            "the serving certificate ends at 1970-01-01T00:10:00Z and should have been renewed by now"
        );
    }
}
