//! What somebody can do to an export on its way, and how each is told.

use std::sync::{Arc, LazyLock, Mutex};

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use super::*;

/// A recipient's key pair, as PEM.
pub(super) struct Pair {
    pub(super) public: String,
    pub(super) private: String,
}

fn pair() -> Pair {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    Pair { public: key.public_key_pem(), private: key.serialize_pem() }
}

pub(super) static PAIR: LazyLock<Pair> = LazyLock::new(pair);
static OTHER: LazyLock<Pair> = LazyLock::new(pair);

/// What was written, for whoever looks.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one writer").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An export of these texts, with its code.
fn export(texts: &[&[u8]]) -> (Vec<u8>, ExportCode) {
    let paper = Paper::default();
    let recipient = Recipient::from_pem(&PAIR.public).expect("a key");
    let begun = ParcelWriter::begin(Box::new(paper.clone()), &recipient).expect("memory");
    let (mut writer, code) = begun;
    for (place, text) in texts.iter().enumerate() {
        let last = place + 1 == texts.len();
        writer.write(Zeroizing::new(text.to_vec()), last).expect("memory");
    }
    drop(writer);
    let bytes = paper.0.lock().expect("written").clone();
    (bytes, code)
}

/// What comes before the first fault, and the fault.
fn read(bytes: &[u8], pair: &Pair, code: &ExportCode) -> (Vec<Vec<u8>>, Option<TransferError>) {
    let key = RecipientKey::from_pem(&pair.private).expect("a key");
    let mut read = Vec::new();
    let mut from = Box::new(io::Cursor::new(bytes.to_vec()));
    let begun = ParcelHead::read(&mut *from);
    let mut reader = match begun.and_then(|head| ParcelReader::begin(from, head, &key, code)) {
        Ok(reader) => reader,
        Err(fault) => return (read, Some(fault)),
    };
    loop {
        match reader.next() {
            Ok(Some(text)) => read.push(text.to_vec()),
            Ok(None) => return (read, None),
            Err(fault) => return (read, Some(fault)),
        }
    }
}

const TEXTS: [&[u8]; 4] = [b"manifest", b"first", b"", b"second, and last"];

/// Where each frame of an export begins, and its end.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![HEAD_BEFORE_KEY + 256];
    while let Some(start) = places.last().copied().filter(|start| *start < bytes.len()) {
        let length = bytes[start..].first_chunk().expect("a length");
        places.push(start + 4 + 1 + 12 + u32::from_be_bytes(*length) as usize);
    }
    places
}

#[test]
fn an_export_is_read_as_it_was_written() {
    let (bytes, code) = export(&TEXTS);
    let (read, fault) = read(&bytes, &PAIR, &code);
    assert_eq!(fault, None);
    assert_eq!(read, TEXTS);
}

#[test]
fn two_exports_of_the_same_have_nothing_in_common_but_their_shape() {
    //
    let [(one, _), (other, code)] = [export(&TEXTS), export(&TEXTS)];
    assert_eq!(one.len(), other.len());
    let same = one.iter().zip(&other).skip(HEAD_BEFORE_KEY).filter(|(one, other)| one == other);
    assert!(same.count() < one.len() / 4);
    for text in TEXTS.iter().filter(|text| !text.is_empty()) {
        assert!(!one.windows(text.len()).any(|part| part == *text));
    }
    assert_eq!(read(&one, &PAIR, &code).1, Some(TransferError::OtherCode));
}

#[test]
fn an_export_that_was_cut_anywhere_is_told_from_a_whole_one() {
    let (bytes, code) = export(&TEXTS);
    for length in 0..bytes.len() {
        let (read, fault) = read(&bytes[..length], &PAIR, &code);
        let expected = match length {
            0..HEAD_BEFORE_KEY => TransferError::NotAnExport,
            _ => TransferError::Cut,
        };
        assert_eq!(fault, Some(expected), "{length}");
        assert!(
            read.len() < TEXTS.len() && read.iter().zip(TEXTS).all(|(read, text)| read == text)
        );
    }
}

#[test]
fn an_export_cut_between_two_frames_is_not_whole() {
    let (bytes, code) = export(&TEXTS);
    for end in &frames(&bytes)[..TEXTS.len()] {
        assert_eq!(read(&bytes[..*end], &PAIR, &code).1, Some(TransferError::Cut));
    }
}

#[test]
fn a_changed_bit_anywhere_is_told_and_gives_nothing_of_its_frame() {
    //
    let (bytes, code) = export(&TEXTS);
    let starts = frames(&bytes);
    assert_eq!(starts.last(), Some(&bytes.len()));
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        let (read, fault) = read(&changed, &PAIR, &code);
        let whole = starts.iter().filter(|start| **start <= place).count().saturating_sub(1);
        assert!(fault.is_some(), "{place}");
        assert!(read.len() <= whole, "{place}: {} frames were read", read.len());
        assert!(read.iter().zip(TEXTS).all(|(read, text)| read == text), "{place}");
    }
}

#[test]
fn frames_that_were_swapped_repeated_or_left_out_are_told() {
    let (bytes, code) = export(&[b"manifest", b"same", b"same", b"same", b"last"]);
    let starts = frames(&bytes);
    let frame = |number: usize| &bytes[starts[number]..starts[number + 1]];
    let head = &bytes[..starts[0]];
    let made = |order: &[usize]| {
        let frames: Vec<&[u8]> = order.iter().map(|number| frame(*number)).collect();
        [head, &frames.concat()].concat()
    };
    assert_eq!(made(&[0, 1, 2, 3, 4]), bytes);
    let changed = |frame| Some(TransferError::Changed { frame });
    for (order, fault) in [
        ([0, 2, 1, 3, 4].as_slice(), changed(1)),
        (&[0, 1, 1, 3, 4], changed(2)),
        (&[0, 1, 3, 4], changed(2)),
        (&[0, 4], changed(1)),
        (&[1, 0, 2, 3, 4], Some(TransferError::OtherCode)),
        (&[0, 1, 2, 3], Some(TransferError::Cut)),
        (&[0, 1, 2, 3, 4, 4], Some(TransferError::Trailing)),
    ] {
        assert_eq!(read(&made(order), &PAIR, &code).1, fault, "{order:?}");
    }
}

#[test]
fn a_frame_of_another_export_or_under_another_head_is_told() {
    let [(one, code), (other, _)] = [export(&TEXTS), export(&TEXTS)];
    let starts = frames(&one);
    let mut mixed = one.clone();
    mixed[starts[1]..starts[2]].copy_from_slice(&other[starts[1]..starts[2]]);
    assert_eq!(read(&mixed, &PAIR, &code).1, Some(TransferError::Changed { frame: 1 }));
    let beheaded = [&other[..starts[0]], &one[starts[0]..]].concat();
    assert_eq!(read(&beheaded, &PAIR, &code).1, Some(TransferError::OtherCode));
}

#[test]
fn a_last_frame_that_says_it_is_not_and_the_reverse_are_told() {
    let (bytes, code) = export(&TEXTS);
    let starts = frames(&bytes);
    for (frame, flag) in [(1, 1), (3, 0), (2, 2)] {
        let mut changed = bytes.clone();
        changed[starts[frame] + 4] = flag;
        let expected = TransferError::Changed { frame: frame as u64 };
        assert_eq!(read(&changed, &PAIR, &code).1, Some(expected));
    }
}

#[test]
fn another_key_another_code_and_another_file_are_told_apart() {
    let (bytes, code) = export(&TEXTS);
    let stranger = ExportCode::generate().expect("random");
    assert_eq!(read(&bytes, &OTHER, &code), (vec![], Some(TransferError::OtherKey)));
    assert_eq!(read(&bytes, &PAIR, &stranger), (vec![], Some(TransferError::OtherCode)));
    let pem = PAIR.public.as_bytes();
    assert_eq!(read(pem, &PAIR, &code), (vec![], Some(TransferError::NotAnExport)));
    assert_eq!(read(b"", &PAIR, &code), (vec![], Some(TransferError::NotAnExport)));
}

#[test]
fn what_follows_the_end_is_told_once_all_is_read() {
    let (bytes, code) = export(&TEXTS);
    let longer = [bytes.as_slice(), &[0]].concat();
    let (read, fault) = read(&longer, &PAIR, &code);
    assert_eq!(fault, Some(TransferError::Trailing));
    assert_eq!(read, TEXTS);
}

#[test]
fn an_export_of_a_newer_format_is_named() {
    let (mut bytes, code) = export(&TEXTS);
    bytes[4] = FORMAT + 1;
    assert_eq!(read(&bytes, &PAIR, &code), (vec![], Some(TransferError::Format(FORMAT + 1))));
}

#[test]
fn a_length_from_a_stranger_takes_no_memory() {
    let (mut bytes, code) = export(&TEXTS);
    let start = frames(&bytes)[1];
    bytes[start..start + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(read(&bytes, &PAIR, &code).1, Some(TransferError::Changed { frame: 1 }));
}

#[test]
fn whoever_has_only_the_public_key_can_forge_nothing() {
    let (forged, own_code) = export(&[b"manifest of a stranger", b"consents of a stranger"]);
    let (_, code) = export(&TEXTS);
    assert_eq!(read(&forged, &PAIR, &code), (vec![], Some(TransferError::OtherCode)));
    assert_eq!(read(&forged, &PAIR, &own_code).1, None, "the code is all that it lacked");
}

#[test]
fn what_it_is_written_to_and_read_from_may_fail() {
    /// Takes or gives so many bytes, then fails.
    struct Frail(usize);

    impl Write for Frail {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::QuotaExceeded.into())
        }
    }

    impl Read for Frail {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }

    let recipient = Recipient::from_pem(&PAIR.public).expect("a key");
    let full = Some(TransferError::Write(io::ErrorKind::StorageFull));
    for room in [0, 262, 263, 300] {
        let begun = ParcelWriter::begin(Box::new(Frail(room)), &recipient);
        let (mut writer, _) = begun.expect("random");
        let fault = match writer.write(b"text".to_vec().into(), true) {
            Err(ParcelError::Transfer(fault)) => Some(fault),
            _ => None,
        };
        let expected = if room == 300 {
            Some(TransferError::Write(io::ErrorKind::QuotaExceeded))
        } else {
            full.clone()
        };
        assert_eq!(fault, expected, "{room}");
    }
    let fault = ParcelHead::read(&mut Frail(0)).err();
    assert_eq!(fault, Some(TransferError::Read(io::ErrorKind::ConnectionReset)));
}
