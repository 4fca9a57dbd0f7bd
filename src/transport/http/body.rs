//! The body of a reply as it comes.

use bytes::{Bytes, BytesMut};

/// What has come of a reply. Most come in one piece, which is then not copied.
#[derive(Default)]
pub(super) struct Body {
    first: Bytes,
    all: BytesMut,
}

impl Body {
    pub(super) fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    pub(super) fn append(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if piece.is_empty() {
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&piece);
    }

    pub(super) fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_in_however_many_pieces_it_comes() {
        let body = |pieces: &[&Bytes]| {
            let mut body = Body::default();
            pieces.iter().for_each(|piece| body.append(Bytes::clone(piece)));
            body.whole()
        };
        let (one, two, none) = (Bytes::from(vec![1; 9]), Bytes::from(vec![2; 3]), Bytes::new());
        assert_eq!(body(&[]), none);
        assert_eq!(body(&[&none, &one, &none]).as_ptr(), one.as_ptr(), "not copied");
        assert_eq!(body(&[&one, &none, &two, &one]), [&one[..], &two, &one].concat());
    }
}
