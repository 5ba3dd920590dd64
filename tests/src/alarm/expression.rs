//! The part of CloudWatch's metric math that our alarms use: numbers, names, `+ - * /`, `>=`,
//! `FILL(x, n)` and `IF(c, a, b)`. What lacks a datapoint, or divides by nothing, has none.

use std::collections::BTreeMap;

/// Datapoints of one period by the names of an expression.
pub type Points = BTreeMap<String, Option<f64>>;

/// The value of an expression in one period.
///
/// # Panics
/// The expression is none that is known here.
#[must_use]
pub fn evaluate(expression: &str, points: &Points) -> Option<f64> {
    let mut reader = Reader {
        rest: expression,
        points,
    };
    let value = reader.comparison();
    reader.skip();
    assert!(
        reader.rest.is_empty(),
        "`{expression}`: at `{}`",
        reader.rest
    );
    value
}

struct Reader<'a> {
    rest: &'a str,
    points: &'a Points,
}

#[expect(clippy::float_arithmetic, reason = "datapoints are no money")]
impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) {
        assert!(self.takes(token), "no `{token}` at `{}`", self.rest);
    }

    fn comparison(&mut self) -> Option<f64> {
        let left = self.sum();
        if !self.takes(">=") {
            return left;
        }
        let right = self.sum();
        Some(if left? >= right? { 1.0 } else { 0.0 })
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product();
        loop {
            if self.takes("+") {
                value = zip(value, self.product(), |a, b| a + b);
            } else if self.takes("-") {
                value = zip(value, self.product(), |a, b| a - b);
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.atom();
        loop {
            if self.takes("*") {
                value = zip(value, self.atom(), |a, b| a * b);
            } else if self.takes("/") {
                let by = self.atom().filter(|by| *by != 0.0);
                value = zip(value, by, |a, b| a / b);
            } else {
                return value;
            }
        }
    }

    fn atom(&mut self) -> Option<f64> {
        if self.takes("(") {
            let value = self.comparison();
            self.expect(")");
            return value;
        }
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let end = self
            .rest
            .find(|c| !is_of_word(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "FILL" => {
                let [value, instead] = self.arguments();
                value.or(instead)
            }
            "IF" => {
                let [condition, then, otherwise] = self.arguments();
                if condition? == 0.0 { otherwise } else { then }
            }
            word => match word.parse() {
                Ok(number) => Some(number),
                Err(_) => *self
                    .points
                    .get(word)
                    .unwrap_or_else(|| panic!("no input `{word}`")),
            },
        }
    }

    fn arguments<const N: usize>(&mut self) -> [Option<f64>; N] {
        self.expect("(");
        let arguments = std::array::from_fn(|index| {
            if index > 0 {
                self.expect(",");
            }
            self.comparison()
        });
        self.expect(")");
        arguments
    }
}

fn zip(a: Option<f64>, b: Option<f64>, with: impl Fn(f64, f64) -> f64) -> Option<f64> {
    Some(with(a?, b?))
}
