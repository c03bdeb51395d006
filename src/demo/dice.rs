//! The demo's only dice: a seeded generator (splitmix64), so that the same seed plays the same show.
//!
//! Not for keys or ids of a real service. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators".

/// A generator; its whole state is one number.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for one matter, such as `[seed, cart, step]`: independent of how many dice fell before.
    pub fn about(parts: &[u64]) -> Self {
        parts.iter().fold(Self(0), |dice, part| Self(Self(dice.0 ^ part).roll()))
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high.saturating_sub(low) + 1)
    }

    /// True in this many of 100 cases.
    pub fn percent(&mut self, share: u64) -> bool {
        self.between(0, 99) < share
    }

    /// One of these, by weight. The list is not empty.
    pub fn pick<'a, T>(&mut self, weighted: &'a [(u64, T)]) -> &'a T {
        let total: u64 = weighted.iter().map(|(weight, _)| weight).sum();
        let mut left = self.between(0, total.saturating_sub(1));
        for (weight, thing) in weighted {
            if left < *weight {
                return thing;
            }
            left -= weight;
        }
        &weighted[weighted.len() - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence_comes_out() {
        let mut dice = Dice(1_234_567);
        assert_eq!(dice.roll(), 6_457_827_717_110_365_317);
        assert_eq!(dice.roll(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn weights_are_kept() {
        let mut dice = Dice::about(&[1, 2]);
        let hits = (0..10_000).filter(|_| *dice.pick(&[(1, false), (3, true)])).count();
        assert!((7_300..7_700).contains(&hits), "{hits}");
    }
}
