//! The report as one HTML file: words, tables and plots, nothing from elsewhere, no script.
//!
//! Plots are drawn by a library, as SVG inside the page. They use few colours, which the page's style
//! puts others in place of where the reader prefers dark.

#![expect(clippy::float_arithmetic, reason = "places on a plot")]

use super::evaluate::Metrics;
use super::report::{Counts, CurveReport, FindingReport, Report, SettingReport, metrics_in_words};
use crate::output::grouped;
use anyhow::anyhow;
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const STYLE: &str = include_str!("report.css");

/// Merchants that are listed.
const MERCHANTS_SHOWN: usize = 25;

const PLOT_SIZE: (u32, u32) = (560, 280);
const INK: RGBColor = RGBColor(34, 34, 34);
const GRID: RGBColor = RGBColor(221, 221, 221);
const PRECISION: RGBColor = RGBColor(11, 92, 173);
const RECALL: RGBColor = RGBColor(193, 80, 0);

/// The whole page.
pub(super) fn page(report: &Report) -> anyhow::Result<String> {
    let mut out = String::new();
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Backtest</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )?;
    summary(&mut out, report)?;
    measured(&mut out, report)?;
    let rules = report
        .by_rule
        .iter()
        .map(|rule| (&*rule.rule, &rule.counts));
    counted(&mut out, "By rule", "Rule", rules)?;
    let merchants = report.by_merchant.iter().take(MERCHANTS_SHOWN);
    let merchants = merchants.map(|merchant| (&*merchant.merchant_id, &merchant.counts));
    counted(&mut out, "By merchant", "Merchant", merchants)?;
    let left_out = report.by_merchant.len().saturating_sub(MERCHANTS_SHOWN) as u64;
    let more = report.merchants_not_listed + left_out;
    if more > 0 {
        writeln!(
            out,
            "<p>{} more merchants are not listed.</p>",
            grouped(more)
        )?;
    }
    curves(&mut out, report)?;
    findings(
        &mut out,
        "New findings with the highest scores",
        &report.new_findings,
    )?;
    findings(
        &mut out,
        "Lost findings with the highest scores",
        &report.lost_findings,
    )?;
    let manifest = serde_json::to_string_pretty(&report.manifest)?;
    writeln!(
        out,
        "<h2>What this was made from</h2>\n<details><summary>Manifest</summary><pre tabindex=\"0\">{}</pre></details>\n</main>\n</body>\n</html>",
        escaped(&manifest)
    )?;
    Ok(out)
}

fn summary(out: &mut String, report: &Report) -> anyhow::Result<()> {
    writeln!(
        out,
        "<h1>Backtest</h1>\n<p class=\"lead\">{} sales were judged again. The rules that are tried find {} \
         transactions, the rules that they are compared with {}.</p>",
        grouped(report.transactions),
        grouped(report.findings),
        grouped(report.baseline.findings)
    )?;
    out.push_str("<div class=\"tiles\">\n");
    for (class, name, meaning, count, money) in [
        (
            "new",
            "New",
            "found by the rules that are tried only",
            report.new,
            &report.money.new,
        ),
        (
            "lost",
            "Lost",
            "no longer found",
            report.lost,
            &report.money.lost,
        ),
        (
            "kept",
            "Kept",
            "found by both",
            report.kept,
            &report.money.kept,
        ),
    ] {
        writeln!(
            out,
            "<div class=\"tile {class}\"><strong>{}</strong><span>{name}: {meaning}</span><span>{}</span></div>",
            grouped(count),
            escaped(&in_words(money))
        )?;
    }
    out.push_str("</div>\n");
    if !report.notes.is_empty() {
        out.push_str("<h2>To know before you believe it</h2>\n<ul>\n");
        for note in &report.notes {
            writeln!(out, "<li>{}</li>", escaped(note))?;
        }
        out.push_str("</ul>\n");
    }
    Ok(())
}

fn in_words(money: &BTreeMap<&'static str, String>) -> String {
    let sums = money
        .iter()
        .map(|(currency, sum)| format!("{sum} {currency}"));
    sums.collect::<Vec<_>>().join(", ")
}

fn measured(out: &mut String, report: &Report) -> anyhow::Result<()> {
    let (Some(tried), Some(days)) = (&report.metrics, report.manifest.days()) else {
        return Ok(());
    };
    writeln!(
        out,
        "<h2>Held against the labels</h2>\n<p>Over {} sales of {} day(s) from {}; cards that were known to be \
         compromised when a day began are left out. Precision: of what is found, the part that is fraud. \
         Recall: of the frauds, the part that is found. Card precision: of the 100 cards with the highest \
         scores of a day, the part that was compromised on it.</p>",
        grouped(report.judged.sales_measured),
        days.test_days,
        days.first_test_day
    )?;
    out.push_str(&wide("Held against the labels"));
    out.push_str("<table>\n<thead><tr><th>Metric</th><th>Rules tried</th><th>Compared with</th></tr></thead>\n<tbody>\n");
    let shown = |metrics: Option<&Metrics>, value: fn(&Metrics) -> Option<f64>| {
        let value = metrics.and_then(value);
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
    };
    for (name, value) in metrics_in_words() {
        writeln!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td></tr>",
            shown(Some(tried), value),
            shown(report.baseline.metrics.as_ref(), value)
        )?;
    }
    out.push_str("</tbody>\n</table></div>\n");
    Ok(())
}

fn counted<'a>(
    out: &mut String,
    title: &str,
    what: &str,
    rows: impl Iterator<Item = (&'a str, &'a Counts)>,
) -> anyhow::Result<()> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>{title}</h2>\n{}<table>\n<thead><tr><th>{what}</th><th>Tried</th><th>Compared with</th>\
         <th>New</th><th>Lost</th><th>Kept</th><th>Money in new</th><th>Money in lost</th></tr></thead>\n<tbody>",
        wide(title)
    )?;
    for (name, counts) in rows {
        let Counts {
            findings,
            baseline_findings,
            new,
            lost,
            kept,
            money,
        } = counts;
        write!(out, "<tr><th scope=\"row\">{}</th>", escaped(name))?;
        for count in [findings, baseline_findings, new, lost, kept] {
            write!(out, "<td>{}</td>", grouped(*count))?;
        }
        for money in [&money.new, &money.lost] {
            write!(out, "<td>{}</td>", escaped(&in_words(money)))?;
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    Ok(())
}

fn curves(out: &mut String, report: &Report) -> anyhow::Result<()> {
    if report.curves.is_empty() {
        return Ok(());
    }
    let is_labelled = report.metrics.is_some();
    writeln!(
        out,
        "<h2>Other settings</h2>\n<p>Each number of each rule at 20 settings, the rule by itself; the upright line is the \
         setting that was tried. {}</p>\n<div class=\"plots\">",
        if is_labelled {
            "<b class=\"precision\">Precision</b> and <b class=\"recall\">recall</b>."
        } else {
            "<b class=\"precision\">Sales hit</b>, as a part of the most that any setting hits."
        }
    )?;
    for curve in &report.curves {
        let title = format!("{}: {}", escaped(&curve.rule), parameter(curve.parameter));
        let svg = plot(curve, &title, is_labelled)?;
        writeln!(
            out,
            "<figure><figcaption>{title}</figcaption>{svg}<details><summary>Numbers</summary>"
        )?;
        settings(out, &title, &curve.settings)?;
        out.push_str("</details></figure>\n");
    }
    out.push_str("</div>\n");
    Ok(())
}

fn parameter(name: &str) -> &'static str {
    match name {
        "threshold_percent" => "thresholds, in percent of what they are",
        "count" => "sales in the window",
        "window_seconds" => "length of the window, in seconds",
        "times" => "times the card's mean",
        "after" => "sales before a mean is believed",
        _ => "setting",
    }
}

fn settings(out: &mut String, title: &str, settings: &[SettingReport]) -> anyhow::Result<()> {
    out.push_str(&wide(title));
    out.push_str(
        "<table><thead><tr><th>Setting</th><th>Hits</th><th>Precision</th><th>Recall</th>\
         <th>Found by all rules</th><th>Precision</th><th>Recall</th></tr></thead><tbody>\n",
    );
    let shown =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
    for setting in settings {
        let class = if setting.is_own { " class=\"own\"" } else { "" };
        writeln!(
            out,
            "<tr{class}><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            grouped(setting.setting.into()),
            grouped(setting.hits),
            shown(setting.precision),
            shown(setting.recall),
            grouped(setting.findings),
            shown(setting.findings_precision),
            shown(setting.findings_recall)
        )?;
    }
    out.push_str("</tbody></table></div>");
    Ok(())
}

fn findings(out: &mut String, title: &str, findings: &[FindingReport]) -> anyhow::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>{title}</h2>\n{}<table>\n<thead><tr><th>Transaction</th><th>Merchant</th><th>Score</th>\
         <th>Amount</th><th>When</th><th>Why</th></tr></thead>\n<tbody>",
        wide(title)
    )?;
    for finding in findings {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"text\">{}</td></tr>",
            escaped(&finding.transaction_id),
            escaped(&finding.merchant_id),
            finding.score,
            escaped(&finding.amount),
            escaped(&finding.event_time),
            escaped(&finding.words.join("; "))
        )?;
    }
    out.push_str("</tbody>\n</table></div>\n");
    Ok(())
}

/// The beginning of what scrolls by itself where the screen is narrow: by keyboard as well, so it can
/// be reached and says what it is.
fn wide(title: &str) -> String {
    format!("<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"{title}\">")
}

/// A plot of a number's settings, ascending from left to right. Who cannot see it is told what it
/// shows; the numbers stand below it.
fn plot(curve: &CurveReport, title: &str, is_labelled: bool) -> anyhow::Result<String> {
    let mut settings: Vec<&SettingReport> = curve.settings.iter().collect();
    settings.sort_by_key(|setting| setting.setting);
    let most = settings.iter().map(|s| s.hits).max().unwrap_or(0).max(1);
    let line = |value: &dyn Fn(&SettingReport) -> Option<f64>| {
        let places = settings.iter().enumerate();
        let place = |(at, setting): (usize, &&SettingReport)| Some((at as f64, value(setting)?));
        places.filter_map(place).collect::<Vec<_>>()
    };
    let lines = if is_labelled {
        vec![
            (PRECISION, line(&|setting| setting.precision)),
            (RECALL, line(&|setting| setting.recall)),
        ]
    } else {
        let part = |setting: &SettingReport| Some(setting.hits as f64 / most as f64);
        vec![(PRECISION, line(&part))]
    };
    let own = settings.iter().position(|setting| setting.is_own);
    let labels: Vec<String> = settings.iter().map(|s| grouped(s.setting.into())).collect();
    let mut svg = String::new();
    draw(&mut svg, &labels, &lines, own)
        .map_err(|error| anyhow!("a plot cannot be drawn: {error}"))?;
    // The page gives it its width.
    let (width, height) = PLOT_SIZE;
    let size = format!("width=\"{width}\" height=\"{height}\"");
    let shows = match is_labelled {
        true => "precision and recall",
        false => "sales hit",
    };
    let role = format!(
        "role=\"img\" aria-label=\"{title}; {shows} at {} settings\"",
        settings.len()
    );
    Ok(svg.replacen(&size, &role, 1))
}

type Line = (RGBColor, Vec<(f64, f64)>);

fn draw(
    svg: &mut String,
    labels: &[String],
    lines: &[Line],
    own: Option<usize>,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let root = SVGBackend::with_string(svg, PLOT_SIZE).into_drawing_area();
    let last = labels.len().saturating_sub(1) as f64;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..last, 0.0..1.0)?;
    let label = |at: &f64| labels.get(at.round() as usize).cloned().unwrap_or_default();
    let text = ("sans-serif", 13).into_font().color(&INK);
    chart
        .configure_mesh()
        .x_labels(8)
        .y_labels(5)
        .x_label_formatter(&label)
        .y_label_formatter(&|part| format!("{:.0}%", part * 100.0))
        .label_style(text)
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    if let Some(own) = own {
        let at = own as f64;
        chart.draw_series(LineSeries::new([(at, 0.0), (at, 1.0)], INK))?;
    }
    for (color, points) in lines {
        chart.draw_series(LineSeries::new(
            points.iter().copied(),
            color.stroke_width(2),
        ))?;
        let dots = points
            .iter()
            .map(|point| Circle::new(*point, 3, color.filled()));
        chart.draw_series(dots)?;
    }
    root.present()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
