//! Many things counted, and the first of them kept by name, in bounded memory.

/// How many there were, and the first thousand of them.
#[derive(Debug, Clone)]
pub(crate) struct Tally<T> {
    count: u64,
    first: Vec<T>,
}

impl<T> Tally<T> {
    pub(crate) fn note(&mut self, one: T) {
        self.count += 1;
        if self.first.len() < MOST_NAMED {
            self.first.push(one);
        }
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn first(&self) -> &[T] {
        &self.first
    }
}

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

const MOST_NAMED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_named() {
        let mut tally = Tally::default();
        for number in 0..1500 {
            tally.note(number);
        }
        assert_eq!((tally.count(), tally.first().len()), (1500, MOST_NAMED));
        assert_eq!((tally.first()[0], tally.first()[MOST_NAMED - 1]), (0, MOST_NAMED - 1));
    }
}
