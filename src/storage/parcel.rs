//! An export as bytes: sealed to a recipient, in frames that nothing can be cut from, swapped in or
//! added to.
//!
//! Whoever knows the recipient's public key could make such bytes, so the key of the frames comes
//! from the random key in them *and* a code that travels by another way (HKDF-Extract, RFC 5869).
//! Each frame is bound to the head, to its number and to whether it is the last.
//!
//! ```text
//! head    "CPVX"  format  length, RSA-OAEP-256 of a random key
//!           4       1       2 + n
//! frame   length  last  nonce  AES-256-GCM-SIV ciphertext        the first holds the manifest
//!           4      1     12     n + 16
//! ```

mod code;
mod recipient;

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use crate::storage::keyring::{DataKey, KeyError, NonceBytes, TAG_LENGTH};

pub use self::code::ExportCode;
pub use self::recipient::{Recipient, RecipientKey};

/// Why an export could not be written or read. Each variant says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// These bytes are something else.
    #[error("this is no export of consents: give the file that export wrote, from its first byte")]
    NotAnExport,
    /// A newer version of the crate made it.
    #[error("format {0} of exports is not known here: import it by the version that made it")]
    Format(u8),
    /// It is sealed to another public key.
    #[error("the export is sealed to another key: give the private key of its recipient")]
    OtherKey,
    /// The code belongs to another export.
    #[error(
        "the code is not that of this export: give the one that came with it; if it did, the export was changed"
    )]
    OtherCode,
    /// Bytes are missing at its end.
    #[error("the export ends too early: copy it whole, then import it again")]
    Cut,
    /// Bytes were changed, moved or added.
    #[error("the export was changed in frame {frame}: copy it again, then import it again")]
    Changed {
        /// Which frame, counted from 0.
        frame: u64,
    },
    /// Something follows its end.
    #[error("bytes follow the end of the export; all that is in it was imported")]
    Trailing,
    /// It is whole, and holds what this version does not understand.
    #[error(
        "frame {frame} of the export holds what this version does not know: import it by the version that made it"
    )]
    Contents {
        /// Which frame, counted from 0.
        frame: u64,
    },
    /// It was made for another cloud, environment or application.
    #[error("the export is of {found}, and this broker serves {own}: import it there")]
    OtherRealm {
        /// Cloud, login origin, environment and application of the export.
        found: String,
        /// Those of this broker.
        own: String,
    },
    /// What it is read from failed.
    #[error("the export cannot be read: {0}")]
    Read(io::ErrorKind),
    /// What it is written to failed.
    #[error("the export cannot be written: {0}")]
    Write(io::ErrorKind),
}

/// Writes an export, frame by frame.
pub(crate) struct ParcelWriter {
    to: Box<dyn Write + Send>,
    seal: FrameKey,
}

impl ParcelWriter {
    /// A new export, and its code. Nothing is written before the first frame.
    pub(crate) fn begin(
        to: Box<dyn Write + Send>,
        recipient: &Recipient,
    ) -> Result<(Self, ExportCode), KeyError> {
        let (key, code) = (DataKey::generate()?, ExportCode::generate()?);
        let sealed = recipient.seal(&key)?;
        let length = u16::try_from(sealed.len()).expect("an RSA key has at most 8192 bits");
        let head = [MAGIC.as_slice(), &[FORMAT], &length.to_be_bytes(), &sealed].concat();
        Ok((Self { to, seal: FrameKey::new(&key, &code, head) }, code))
    }

    /// Writes one frame; after the last there is none.
    pub(crate) fn write(
        &mut self,
        mut text: Zeroizing<Vec<u8>>,
        last: bool,
    ) -> Result<(), ParcelError> {
        let bound = self.seal.bound(last);
        // Its plaintext is overwritten by the ciphertext, so that none is left behind.
        let nonce = self.seal.key.encrypt(&bound, &mut text)?;
        if self.seal.number == 0 {
            self.to.write_all(&self.seal.head).map_err(unwritten)?;
        }
        self.seal.number += 1;
        let length = u32::try_from(text.len()).expect("a frame is far shorter");
        for part in [&length.to_be_bytes(), [u8::from(last)].as_slice(), &nonce, &text] {
            self.to.write_all(part).map_err(unwritten)?;
        }
        if last { Ok(self.to.flush().map_err(unwritten)?) } else { Ok(()) }
    }
}

/// What stands in clear before the first frame.
pub(crate) struct ParcelHead(Vec<u8>);

impl ParcelHead {
    pub(crate) fn read(from: &mut (dyn Read + Send)) -> Result<Self, TransferError> {
        let start: [u8; HEAD_BEFORE_KEY] = array(from).map_err(|error| match error {
            TransferError::Cut => TransferError::NotAnExport,
            error => error,
        })?;
        let [m0, m1, m2, m3, format, high, low] = start;
        if [m0, m1, m2, m3] != *MAGIC {
            return Err(TransferError::NotAnExport);
        }
        if format != FORMAT {
            return Err(TransferError::Format(format));
        }
        let mut head = start.to_vec();
        head.resize(HEAD_BEFORE_KEY + usize::from(u16::from_be_bytes([high, low])), 0);
        from.read_exact(&mut head[HEAD_BEFORE_KEY..]).map_err(unread)?;
        Ok(Self(head))
    }
}

/// Reads an export, frame by frame, and believes nothing before it has opened.
pub(crate) struct ParcelReader {
    from: Box<dyn Read + Send>,
    open: FrameKey,
    ended: bool,
}

impl ParcelReader {
    /// Goes on after the head, which was read by [`ParcelHead::read`].
    pub(crate) fn begin(
        from: Box<dyn Read + Send>,
        head: ParcelHead,
        key: &RecipientKey,
        code: &ExportCode,
    ) -> Result<Self, TransferError> {
        let key = key.open(&head.0[HEAD_BEFORE_KEY..])?;
        Ok(Self { from, open: FrameKey::new(&key, code, head.0), ended: false })
    }

    /// The next frame, or nothing after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, TransferError> {
        if self.ended {
            return self.end();
        }
        let number = self.open.number;
        let changed = || TransferError::Changed { frame: number };
        let length = u32::from_be_bytes(array(&mut *self.from)?) as usize;
        let [last] = array(&mut *self.from)?;
        if last > 1 || !(TAG_LENGTH..=LONGEST_FRAME + TAG_LENGTH).contains(&length) {
            return Err(changed());
        }
        let nonce: NonceBytes = array(&mut *self.from)?;
        let mut text = Zeroizing::new(vec![0; length]);
        self.from.read_exact(&mut text).map_err(unread)?;
        let bound = self.open.bound(last == 1);
        if self.open.key.decrypt(nonce, &bound, &mut text).is_none() {
            return Err(if number == 0 { TransferError::OtherCode } else { changed() });
        }
        text.truncate(length - TAG_LENGTH);
        (self.open.number, self.ended) = (number + 1, last == 1);
        Ok(Some(text))
    }

    /// How many frames were read.
    pub(crate) const fn frames(&self) -> u64 {
        self.open.number
    }

    fn end(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, TransferError> {
        match self.from.read_exact(&mut [0]) {
            Ok(()) => Err(TransferError::Trailing),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(TransferError::Read(error.kind())),
        }
    }
}

/// Why a parcel could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParcelError {
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The key of all frames of one export, and where it stands among them.
struct FrameKey {
    key: DataKey,
    head: Vec<u8>,
    number: u64,
}

impl FrameKey {
    fn new(key: &DataKey, code: &ExportCode, head: Vec<u8>) -> Self {
        let extracted = key.authenticate(code.expose().as_bytes());
        let extracted = DataKey::from_slice(extracted.as_ref()).expect("SHA-256 has 32 bytes");
        Self { key: extracted.derive(FRAMES), head, number: 0 }
    }

    fn bound(&self, last: bool) -> Vec<u8> {
        let place = [self.number.to_be_bytes().as_slice(), &[u8::from(last)]].concat();
        [self.head.as_slice(), &place].concat()
    }
}

fn array<const N: usize>(from: &mut (dyn Read + Send)) -> Result<[u8; N], TransferError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

fn unread(error: io::Error) -> TransferError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TransferError::Cut,
        kind => TransferError::Read(kind),
    }
}

fn unwritten(error: io::Error) -> TransferError {
    TransferError::Write(error.kind())
}

/// How many bytes of text a frame holds at most.
pub(crate) const LONGEST_FRAME: usize = 4 << 20;

const MAGIC: &[u8; 4] = b"CPVX";
const FORMAT: u8 = 1;
const FRAMES: &str = "export: frames";
const HEAD_BEFORE_KEY: usize = 7;

#[cfg(test)]
mod tests;
