//! Durations as literals: `"10s"`, `"1500ms"`, `"1m30s"`, parsed during compilation.

use std::time::Duration;

/// The units, in milliseconds each.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Parses a duration: one or more of `<whole number><unit>`, without signs, spaces or fractions.
///
/// The error says what is wrong and what to write instead.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Err("the duration is empty; write for example \"10s\" or \"1500ms\"".into());
    }
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = split(rest, |c| c.is_ascii_digit());
        let (unit, tail) = split(tail, |c| c.is_alphabetic() || c == 'µ');
        if number.is_empty() {
            return Err(no_number(text, rest));
        }
        if unit.is_empty() {
            return Err(no_unit(text, number, tail));
        }
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(unknown_unit(number, unit));
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*millis))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| format!("\"{text}\" is too long; its milliseconds exceed 64 bits"))?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

fn split(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

fn no_number(text: &str, rest: &str) -> String {
    let upper = text.to_ascii_uppercase();
    if upper.starts_with("PT") || upper.starts_with("P") {
        return format!("\"{text}\" looks like ISO 8601; write for example \"10s\" or \"5m\"");
    }
    match rest.chars().next() {
        Some('-') => format!("\"{text}\" is negative; a duration is zero or more"),
        Some(c) if c.is_whitespace() => format!("write \"{text}\" without spaces"),
        _ => format!("\"{text}\" needs a number before the unit, for example \"10s\""),
    }
}

fn no_unit(text: &str, number: &str, tail: &str) -> String {
    match tail.chars().next() {
        Some('.' | ',') => {
            format!("\"{text}\" has a fraction; write it in a smaller unit, \"1500ms\" for 1.5 s")
        }
        Some(c) if c.is_whitespace() => format!("write \"{text}\" without spaces"),
        _ => format!("\"{text}\" has no unit; write \"{number}s\" or \"{number}ms\""),
    }
}

fn unknown_unit(number: &str, unit: &str) -> String {
    let lower = unit.to_lowercase();
    let meant = [
        ("ms", ["ms", "msec", "millis", "milliseconds"].as_slice()),
        ("s", &["s", "sec", "secs", "second", "seconds"]),
        ("m", &["m", "min", "mins", "minute", "minutes"]),
        ("h", &["h", "hr", "hrs", "hour", "hours"]),
        ("d", &["d", "day", "days"]),
    ];
    match meant
        .iter()
        .find(|(_, spellings)| spellings.contains(&lower.as_str()))
    {
        Some((meant, _)) => format!("unknown unit `{unit}`; write \"{number}{meant}\""),
        None => format!("unknown unit `{unit}`; the units are `ms`, `s`, `m`, `h` and `d`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_and_sums_are_parsed() {
        for (text, millis) in [
            ("0s", 0),
            ("1500ms", 1_500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1m30s", 90_000),
            ("1h0m1ms", 3_600_001),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_problem_and_the_remedy() {
        for (text, part) in [
            ("", "empty"),
            ("10", "\"10s\" or \"10ms\""),
            ("s", "needs a number"),
            ("1.5s", "1500ms"),
            ("-1s", "negative"),
            ("10 s", "without spaces"),
            (" 10s", "without spaces"),
            ("PT10S", "ISO 8601"),
            ("10sec", "\"10s\""),
            ("10S", "\"10s\""),
            ("10fortnights", "the units are"),
            ("99999999999999999999s", "too long"),
            ("18446744073709551615d", "too long"),
            ("1m30", "no unit"),
            ("10s ", "without spaces"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
