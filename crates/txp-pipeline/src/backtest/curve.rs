//! What each setting of each number of a rule would have found.
//!
//! Of every sale it is known at how many of a number's settings the rule hits it, and those are the
//! first ones: so counting sales by that number, frauds and others apart, is all that it takes.

use super::Sale;
use super::metrics::{Confusion, Labelled};
use txp_domain::rule::{SETTINGS, Variation};

/// Sales by the number of settings that hit.
type BySettings = [Labelled; SETTINGS + 1];

/// The counts of one number of one rule.
#[derive(Clone, Debug)]
struct Counts {
    /// A bit for the rule.
    rule: u64,
    /// All sales, for the rule by itself.
    alone: BySettings,
    /// Those that no other rule hits.
    beside: BySettings,
}

/// The counts of every number of every rule.
#[derive(Clone, Debug)]
pub struct Curves {
    counts: Vec<Counts>,
    all: Labelled,
    /// Of each number: sales that another rule hits, whatever the setting.
    others: Vec<Labelled>,
}

/// One setting: what the rule finds by itself, and what the whole set finds with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The rule by itself.
    pub alone: Confusion,
    /// The set, this rule at the setting and the others as they are.
    pub set: Confusion,
}

impl Curves {
    /// Nothing counted yet.
    #[must_use]
    pub fn of(variations: &[Variation]) -> Self {
        let empty = [Labelled::default(); SETTINGS + 1];
        let counts = variations.iter().map(|variation| Counts {
            rule: bit(variation.rule),
            alone: empty,
            beside: empty,
        });
        Self {
            counts: counts.collect(),
            all: Labelled::default(),
            others: vec![Labelled::default(); variations.len()],
        }
    }

    /// Takes in a sale; one of which nothing is known counts as genuine, so that what is found can
    /// be counted all the same.
    pub fn add(&mut self, sale: &Sale) {
        let is_fraud = sale.is_fraud.unwrap_or(false);
        self.all.add(is_fraud);
        for ((counts, others), hits) in self
            .counts
            .iter_mut()
            .zip(&mut self.others)
            .zip(&sale.settings)
        {
            let hits = usize::from(*hits);
            if let Some(count) = counts.alone.get_mut(hits) {
                count.add(is_fraud);
            }
            if sale.hits & !counts.rule != 0 {
                others.add(is_fraud);
            } else if let Some(count) = counts.beside.get_mut(hits) {
                count.add(is_fraud);
            }
        }
    }

    /// The points of a number, by its place among the variations, in the order of its settings.
    #[must_use]
    pub fn points(&self, variation: usize) -> Vec<Point> {
        let Some((counts, others)) = self.counts.get(variation).zip(self.others.get(variation))
        else {
            return Vec::new();
        };
        let mut alone = Labelled::default();
        let mut set = *others;
        // From the setting that hits least: each one before it adds the sales that it alone hits.
        let hit_so = (1..=SETTINGS).rev().map(|hits| {
            let (rule, beside) = (counts.alone.get(hits), counts.beside.get(hits));
            alone = sum(alone, rule.copied().unwrap_or_default());
            set = sum(set, beside.copied().unwrap_or_default());
            let of = |found| Confusion {
                found,
                all: self.all,
            };
            Point {
                alone: of(alone),
                set: of(set),
            }
        });
        let mut points: Vec<_> = hit_so.collect();
        points.reverse();
        points
    }
}

/// The bit of a rule in [`Sale::hits`].
pub(super) fn bit(rule: usize) -> u64 {
    u32::try_from(rule)
        .ok()
        .and_then(|rule| 1u64.checked_shl(rule))
        .unwrap_or(0)
}

fn sum(a: Labelled, b: Labelled) -> Labelled {
    Labelled {
        genuine: a.genuine + b.genuine,
        frauds: a.frauds + b.frauds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rulefile::default_rules;
    use txp_domain::rule::variations;

    /// Beside counting every sale at every setting by itself.
    #[test]
    fn points_are_those_of_looking_at_every_sale() {
        let rules = default_rules().unwrap().rules;
        let variations = variations(&rules);
        let mut curves = Curves::of(&variations);
        let mut sales = Vec::new();
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..500 {
            let settings = variations.iter().map(|_| random(21) as u8).collect();
            let sale = Sale {
                hits: random(16) & random(16),
                settings,
                is_fraud: Some(random(4) == 0),
                ..Sale::default()
            };
            curves.add(&sale);
            sales.push(sale);
        }
        for (place, variation) in variations.iter().enumerate() {
            let points = curves.points(place);
            assert_eq!(points.len(), SETTINGS);
            for (setting, point) in points.iter().enumerate() {
                let (mut alone, mut set) = (Confusion::default(), Confusion::default());
                for sale in &sales {
                    let is_fraud = sale.is_fraud == Some(true);
                    let is_hit = usize::from(sale.settings[place]) > setting;
                    alone.add(is_hit, is_fraud);
                    set.add(is_hit || sale.hits & !bit(variation.rule) != 0, is_fraud);
                }
                assert_eq!((point.alone, point.set), (alone, set));
            }
        }
    }
}
