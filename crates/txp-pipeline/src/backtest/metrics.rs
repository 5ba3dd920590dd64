//! How well scores and findings tell frauds from other sales.
//!
//! The ranking metrics are those of scikit-learn: the area under the ROC curve, ties counting half,
//! and average precision, the sum of precision over steps of recall, ties taken together. Card
//! precision is that of the Fraud Detection Handbook: how many of the k most suspicious cards of a
//! day were compromised on it, cards that were caught on an earlier day left out, as the mean over
//! days. Where cards with the same score straddle the k-th place, which of them are taken is chance:
//! then the mean over [`TIE_DRAWS`] orders is given, drawn by a generator with a fixed seed, so that
//! the same scores give the same number. Without such ties it is exact.
//!
//! Scores are whole numbers, counted by value: memory does not grow with the history but for the
//! cards of the days that are measured.

#![expect(
    clippy::float_arithmetic,
    reason = "metrics are ratios, and no amounts of money"
)]

use std::cmp::Reverse;
use std::collections::BTreeMap;
use txp_domain::card::Fingerprint;

/// The k of card precision: how many cards a day are looked at.
pub const CARDS_LOOKED_AT: usize = 100;

/// Over how many orders of tied cards the mean is taken.
pub const TIE_DRAWS: u64 = 1000;

/// How many sales, and how many of them were frauds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labelled {
    /// Sales that were no frauds.
    pub genuine: u64,
    /// Frauds.
    pub frauds: u64,
}

impl Labelled {
    /// Counts a sale.
    pub fn add(&mut self, is_fraud: bool) {
        if is_fraud {
            self.frauds += 1;
        } else {
            self.genuine += 1;
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> u64 {
        self.genuine + self.frauds
    }
}

/// Sales by score.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    by_score: BTreeMap<u32, Labelled>,
    all: Labelled,
}

impl Ranking {
    /// Takes in a sale.
    pub fn add(&mut self, score: u32, is_fraud: bool) {
        self.by_score.entry(score).or_default().add(is_fraud);
        self.all.add(is_fraud);
    }

    /// The area under the ROC curve; `None` without both frauds and others.
    #[must_use]
    pub fn roc_auc(&self) -> Option<f64> {
        let Labelled { genuine, frauds } = self.all;
        if genuine == 0 || frauds == 0 {
            return None;
        }
        // Twice the pairs in the right order, exactly.
        let (mut below, mut twice) = (0u128, 0u128);
        for here in self.by_score.values() {
            let tied = u128::from(here.genuine);
            twice += u128::from(here.frauds) * (2 * below + tied);
            below += tied;
        }
        let pairs = u128::from(genuine) * u128::from(frauds);
        Some(twice as f64 / (2.0 * pairs as f64))
    }

    /// Average precision; `None` without frauds.
    #[must_use]
    pub fn average_precision(&self) -> Option<f64> {
        let frauds = self.all.frauds;
        if frauds == 0 {
            return None;
        }
        let (mut found, mut sum) = (Labelled::default(), 0.0);
        for here in self.by_score.values().rev() {
            found.genuine += here.genuine;
            found.frauds += here.frauds;
            let precision = found.frauds as f64 / found.all() as f64;
            sum += here.frauds as f64 / frauds as f64 * precision;
        }
        Some(sum)
    }
}

/// What was found, of what was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// What a rule hit.
    pub found: Labelled,
    /// All that was looked at.
    pub all: Labelled,
}

impl Confusion {
    /// Takes in a sale.
    pub fn add(&mut self, is_found: bool, is_fraud: bool) {
        self.all.add(is_fraud);
        if is_found {
            self.found.add(is_fraud);
        }
    }

    /// Which part of what was found is fraud; `None` if nothing was found.
    #[must_use]
    pub fn precision(self) -> Option<f64> {
        ratio(self.found.frauds, self.found.all())
    }

    /// Which part of the frauds was found; `None` if there is none.
    #[must_use]
    pub fn recall(self) -> Option<f64> {
        ratio(self.found.frauds, self.all.frauds)
    }

    /// The harmonic mean of both; `None` if there is neither a fraud nor a finding.
    #[must_use]
    pub fn f1(self) -> Option<f64> {
        ratio(2 * self.found.frauds, self.found.all() + self.all.frauds)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[derive(Clone, Copy, Debug)]
struct CardDay {
    score: u32,
    is_compromised: bool,
}

/// The cards of each day: the highest score of a card's sales, and whether one of them was fraud.
#[derive(Clone, Debug, Default)]
pub struct CardDays {
    days: BTreeMap<u32, BTreeMap<Fingerprint, CardDay>>,
}

/// Card precision.
#[derive(Clone, Debug, PartialEq)]
pub struct CardPrecision {
    /// The mean over the days, and over the orders of ties.
    pub mean: f64,
    /// The lowest of the orders.
    pub lowest: f64,
    /// The highest of the orders.
    pub highest: f64,
    /// By day, the mean over the orders.
    pub by_day: Vec<f64>,
}

impl CardDays {
    /// Takes in a sale of a day.
    pub fn add(&mut self, day: u32, card: Fingerprint, score: u32, is_fraud: bool) {
        let cards = self.days.entry(day).or_default();
        let card = cards.entry(card).or_insert(CardDay {
            score,
            is_compromised: false,
        });
        card.score = card.score.max(score);
        card.is_compromised |= is_fraud;
    }

    /// The precision in the `k` most suspicious cards of each day; `None` without a day.
    #[must_use]
    pub fn precision(&self, k: usize) -> Option<CardPrecision> {
        if self.days.is_empty() || k == 0 {
            return None;
        }
        let mut draws = Draws::of(self);
        let mut drawn = vec![draws.draw(k)];
        // Without a tie at the k-th place every order gives the same.
        if draws.was_tied {
            drawn.extend((1..TIE_DRAWS).map(|_| draws.draw(k)));
        }
        let days = self.days.len();
        let looked_at = k as f64 * drawn.len() as f64;
        let totals = drawn.iter().map(|by_day| by_day.iter().sum::<usize>());
        let mean_of = |hits: usize| hits as f64 / (k * days) as f64;
        let by_day = (0..days).map(|day| {
            let hits = drawn.iter().filter_map(|by_day| by_day.get(day));
            hits.sum::<usize>() as f64 / looked_at
        });
        Some(CardPrecision {
            mean: totals.clone().sum::<usize>() as f64 / (looked_at * days as f64),
            lowest: mean_of(totals.clone().min().unwrap_or(0)),
            highest: mean_of(totals.max().unwrap_or(0)),
            by_day: by_day.collect(),
        })
    }
}

/// A card of a day: its number among all cards, its score, whether it was compromised.
#[derive(Clone, Copy)]
struct Candidate {
    card: usize,
    score: u32,
    is_compromised: bool,
}

/// Orders of tied cards, one after the other.
struct Draws {
    /// By day, the most suspicious first.
    days: Vec<Vec<Candidate>>,
    cards: usize,
    was_tied: bool,
    random: u64,
}

impl Draws {
    fn of(cards: &CardDays) -> Self {
        let mut numbers = BTreeMap::new();
        let mut days = Vec::with_capacity(cards.days.len());
        for day in cards.days.values() {
            let mut candidates = Vec::with_capacity(day.len());
            for (fingerprint, card) in day {
                let next = numbers.len();
                candidates.push(Candidate {
                    card: *numbers.entry(*fingerprint).or_insert(next),
                    score: card.score,
                    is_compromised: card.is_compromised,
                });
            }
            candidates.sort_by_key(|candidate| Reverse(candidate.score));
            days.push(candidates);
        }
        Self {
            days,
            cards: numbers.len(),
            was_tied: false,
            random: 0,
        }
    }

    /// How many of the first `k` cards of each day were compromised.
    fn draw(&mut self, k: usize) -> Vec<usize> {
        let mut caught = vec![false; self.cards];
        let days = std::mem::take(&mut self.days);
        let hits = days.iter().map(|day| self.draw_day(day, k, &mut caught));
        let hits = hits.collect();
        self.days = days;
        hits
    }

    fn draw_day(&mut self, day: &[Candidate], k: usize, caught: &mut [bool]) -> usize {
        let (mut places, mut hits) = (k, 0);
        let mut tied: Vec<Candidate> = Vec::new();
        for same_score in day.chunk_by(|a, b| a.score == b.score) {
            let is_left = |c: &&Candidate| caught.get(c.card) == Some(&false);
            tied.clear();
            tied.extend(same_score.iter().filter(is_left));
            if tied.len() > places {
                self.was_tied = true;
                self.shuffle_first(&mut tied, places);
                tied.truncate(places);
            }
            places -= tied.len();
            for card in tied.iter().filter(|card| card.is_compromised) {
                hits += 1;
                if let Some(caught) = caught.get_mut(card.card) {
                    *caught = true;
                }
            }
            if places == 0 {
                break;
            }
        }
        hits
    }

    /// Any `count` of the candidates, each as likely, to the front.
    fn shuffle_first(&mut self, candidates: &mut [Candidate], count: usize) {
        let all = candidates.len();
        for place in 0..count.min(all) {
            let rest = (all - place) as u128;
            let offset = (u128::from(self.next_random()) * rest) >> u64::BITS;
            candidates.swap(place, place + usize::try_from(offset).unwrap_or(0));
        }
    }

    /// SplitMix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(sales: &[(u32, bool)]) -> Ranking {
        let mut ranking = Ranking::default();
        for (score, is_fraud) in sales {
            ranking.add(*score, *is_fraud);
        }
        ranking
    }

    #[test]
    fn ranking_by_hand() {
        // scikit-learn's own example, scores times 100: 0.75 and 0.8333.
        let of_docs = ranking(&[(10, false), (40, false), (35, true), (80, true)]);
        assert_eq!(of_docs.roc_auc(), Some(0.75));
        assert!((of_docs.average_precision().unwrap() - 5.0 / 6.0).abs() < 1e-15);
        // All tied: chance, and the share of frauds.
        let tied = ranking(&[(5, false), (5, true), (5, false), (5, false)]);
        assert_eq!(tied.roc_auc(), Some(0.5));
        assert_eq!(tied.average_precision(), Some(0.25));
        assert_eq!(ranking(&[(1, false)]).roc_auc(), None);
        assert_eq!(ranking(&[(1, false)]).average_precision(), None);
        assert_eq!(ranking(&[(1, true)]).roc_auc(), None);
    }

    #[test]
    fn confusion_by_hand() {
        let mut found = Confusion::default();
        assert_eq!(
            (found.precision(), found.recall(), found.f1()),
            (None, None, None)
        );
        for (is_found, is_fraud) in [(true, true), (true, false), (true, false), (false, true)] {
            found.add(is_found, is_fraud);
        }
        assert_eq!(found.precision(), Some(1.0 / 3.0));
        assert_eq!(found.recall(), Some(0.5));
        assert_eq!(found.f1(), Some(0.4));
    }

    fn card(number: u8) -> Fingerprint {
        Fingerprint([number; 16])
    }

    #[test]
    fn a_card_counts_once_a_day_and_is_left_out_once_caught() {
        let mut days = CardDays::default();
        // Day 3: card 1 is caught; card 2 is fraud and not among the two.
        for (number, score, is_fraud) in [
            (1, 10, false),
            (1, 900, true),
            (2, 5, true),
            (3, 800, false),
        ] {
            days.add(3, card(number), score, is_fraud);
        }
        // Day 7: without card 1, cards 2 and 3 are the two.
        for (number, score, is_fraud) in
            [(1, 999, true), (2, 50, true), (3, 40, false), (4, 1, true)]
        {
            days.add(7, card(number), score, is_fraud);
        }
        let precision = days.precision(2).unwrap();
        assert_eq!(precision.by_day, [0.5, 0.5]);
        assert_eq!(
            (precision.mean, precision.lowest, precision.highest),
            (0.5, 0.5, 0.5)
        );
        assert_eq!(CardDays::default().precision(2), None);
    }

    #[test]
    fn ties_are_the_mean_over_their_orders_and_the_same_each_time() {
        let mut days = CardDays::default();
        for number in 0..40 {
            days.add(0, card(number), 7, number < 10);
        }
        let precision = days.precision(20).unwrap();
        assert!((precision.mean - 0.25).abs() < 0.01, "{precision:?}");
        assert!(precision.lowest < precision.mean && precision.mean < precision.highest);
        assert_eq!(days.precision(20), Some(precision));
    }
}
