//! Sizes: quantities of Kubernetes and memory sizes of redis.

/// A quantity such as `1Gi`, `500M`, `1.5e3` or `100m`, as a number; none if it is not one.
pub(super) fn kubernetes(text: &str) -> Option<f64> {
    let digits_end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => 10f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(number * factor)
}

/// A memory size as redis.conf has it, such as `100mb` (mega of 1024) or `100m` (mega of 1000), in bytes. Servers read one
/// without digits as zero.
pub(super) fn redis_memory(text: &str) -> Option<f64> {
    let text = text.to_ascii_lowercase();
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text.as_str()), |positive| (-1.0, positive));
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let number: f64 = if number.is_empty() { 0.0 } else { number.parse().ok()? };
    let factor = match unit {
        "" | "b" => 1.0,
        "k" => 1e3,
        "kb" => 1024.0,
        "m" => 1e6,
        "mb" => 1024f64.powi(2),
        "g" => 1e9,
        "gb" => 1024f64.powi(3),
        _ => return None,
    };
    Some(sign * number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1", Some(1.0))]
    #[case("1Gi", Some(1_073_741_824.0))]
    #[case("1.5Ki", Some(1536.0))]
    #[case("100m", Some(0.1))]
    #[case("1e3", Some(1000.0))]
    #[case("2E3", Some(2000.0))]
    #[case("1E", Some(1e18))]
    #[case("1gb", None)]
    #[case("", None)]
    #[case("Gi", None)]
    #[case("1 Gi", None)]
    fn kubernetes_quantities(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(kubernetes(text), expected);
    }

    #[rstest]
    #[case("100", Some(100.0))]
    #[case("1MB", Some(1_048_576.0))]
    #[case("1m", Some(1e6))]
    #[case("2gb", Some(2_147_483_648.0))]
    #[case("", Some(0.0))]
    #[case("mb", Some(0.0))]
    #[case("-1kb", Some(-1024.0))]
    #[case("+1", None)]
    #[case("--1", None)]
    #[case("1.5gb", None)]
    #[case("1 gb", None)]
    #[case("1tb", None)]
    #[case("50%", None)]
    fn redis_sizes(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(redis_memory(text), expected);
    }
}
