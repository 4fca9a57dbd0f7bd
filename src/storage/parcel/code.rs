//! The code of an export: what must travel by another way than the export itself.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::model::invalid::Invalid;
use crate::storage::keyring::{DataKey, KeyError};

/// The code of one export. Without it the recipient's private key opens nothing, and nobody can
/// make an export that [`Broker::import`](crate::Broker::import) takes.
///
/// Eight groups of four hexadecimal digits: 120 random bits and a check byte, so that a slip of the
/// pen is told from the code of another export. Tell it by another way than the file.
#[derive(Clone)]
pub struct ExportCode(SecretString);

impl ExportCode {
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let random = DataKey::generate()?;
        let mut digits = Zeroizing::new(String::with_capacity(DIGITS));
        for byte in &random.expose()[..DIGITS / 2 - 1] {
            push_hex(&mut digits, *byte);
        }
        let check = check(&digits);
        push_hex(&mut digits, check);
        Ok(Self::grouped(&digits))
    }

    /// The code as it is written down. Every call is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn grouped(digits: &str) -> Self {
        let mut text = String::with_capacity(DIGITS + DIGITS / GROUP);
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(digit);
        }
        Self(text.into())
    }
}

impl FromStr for ExportCode {
    type Err = Invalid;

    /// Takes it with or without hyphens and spaces, in either case.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = |problem| Invalid::new("export code", problem, EXPECTED);
        let mut digits = Zeroizing::new(String::with_capacity(text.len()));
        digits.extend(text.chars().filter(|sign| !sign.is_whitespace() && *sign != '-'));
        digits.make_ascii_lowercase();
        if digits.len() != DIGITS || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong("has another shape"));
        }
        let (random, written) = digits.split_at(DIGITS - 2);
        if u8::from_str_radix(written, 16) != Ok(check(random)) {
            return Err(wrong("has a slip of the pen in it"));
        }
        Ok(Self::grouped(&digits))
    }
}

impl fmt::Debug for ExportCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ExportCode([redacted])")
    }
}

fn push_hex(digits: &mut String, byte: u8) {
    for half in [byte >> 4, byte & 15] {
        digits.extend(char::from_digit(u32::from(half), 16));
    }
}

fn check(digits: &str) -> u8 {
    digest(&SHA256, digits.as_bytes()).as_ref()[0]
}

const EXPECTED: &str = "the code that came with the export, 32 hexadecimal digits";
const DIGITS: usize = 32;
const GROUP: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_written_whatever_the_hand() {
        let code = ExportCode::generate().expect("random");
        let text = code.expose();
        assert_eq!(text.len(), 39);
        for written in [
            text.to_owned(),
            text.to_uppercase(),
            text.replace('-', ""),
            format!(" {}\n", text.replace('-', " ")),
        ] {
            let read: ExportCode = written.parse().expect("the same");
            assert_eq!(read.expose(), text);
        }
        assert_ne!(text, ExportCode::generate().expect("random").expose());
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        let code = ExportCode::generate().expect("random");
        let text = code.expose();
        for wrong in ["", "12", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "g")] {
            assert!(wrong.parse::<ExportCode>().is_err(), "{wrong}");
        }
        let slips = text.char_indices().filter(|(_, sign)| *sign != '-').filter(|(place, sign)| {
            let other = if *sign == '0' { '1' } else { '0' };
            let mut slip = text.to_owned();
            slip.replace_range(place..&(place + 1), &other.to_string());
            slip.parse::<ExportCode>().is_ok()
        });
        assert!(slips.count() <= 3, "one in 256 passes by chance");
    }

    #[test]
    fn a_code_is_never_shown() {
        //
        let code = ExportCode::generate().expect("random");
        assert_eq!(format!("{code:?}"), "ExportCode([redacted])");
    }
}
