//! Durations as people write them: `250ms`, `10s`, `1m30s`. Also a module of the program `redlock`.

use std::time::Duration;

/// What a duration looks like, for errors.
const FORM: &str = "write it as in 250ms, 10s, 5m or 1h30m";

/// Parses a duration; or says what is wrong with it, and what to write instead. The text itself is not in the error: in a
/// variable, it may be a secret that is meant for another one.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("not a duration: {FORM}");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len()
            - after
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis);
        let sum = part.and_then(|part| total.checked_add(part));
        total = sum.ok_or_else(|| format!("too long a duration: {FORM}"))?;
        rest = after;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_every_form() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            (" 5m ", 300_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "10 s", "-1s", "1.5s", "10x", "10s5", "1e3s"] {
            let wrong = parse(text).expect_err(text);
            assert!(wrong.contains("250ms"), "{wrong}");
        }
        assert!(
            parse("99999999999999999d")
                .expect_err("too long")
                .contains("too long")
        );
    }
}
