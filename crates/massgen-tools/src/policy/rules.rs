//! Rules, and the judgement of one request. Nothing here looks at the world.

use globset::{GlobBuilder, GlobMatcher};
use massgen_protocol::tooling::{Permissions, Role, Unattended};

use super::lines::{commands, unquoted};
use super::risk::{self, Risk, hardline};
use super::seen::{Clarity, seen};
use super::{Effect, Request};
use crate::error::Error;
use crate::preview::front;

/// Longest line whose hidden parts are looked through; rules that refuse fit a longer one.
const LONGEST: usize = 64 * 1024;

/// Bytes after a word that are looked at in a line with hidden parts.
const AHEAD: usize = 1024;

/// What the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done.
    Allow,
    /// A person is asked.
    Ask,
    /// It may not be done.
    Deny,
}

/// What the rules say of one request, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: String,
    /// Why, in one line.
    pub reason: String,
    /// How much harm it can do.
    pub risk: Risk,
}

impl Judgement {
    /// Whether no rule decided, only how much harm it can do.
    pub(crate) fn is_by_risk(&self) -> bool {
        self.rule == BY_RISK
    }
}

/// What stands in place of a rule when the risk decided.
const BY_RISK: &str = "risk";

/// The rules of one agent.
#[derive(Debug, Clone)]
pub struct Rules {
    deny: Vec<Rule>,
    allow: Vec<Rule>,
    ask: Vec<Rule>,
    role: RoleRules,
    /// What happens to what no rule names.
    rest: Rest,
    unattended: Unattended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Its risk decides.
    ByRisk,
    /// It is allowed: there are no permissions.
    Allowed,
}

#[derive(Debug, Clone, Default)]
struct RoleRules {
    deny: Vec<Rule>,
    allow: Vec<Rule>,
    ask: Vec<Rule>,
}

/// One rule: `action(pattern)`.
#[derive(Debug, Clone)]
struct Rule {
    /// `None` is every action.
    action: Option<&'static str>,
    pattern: GlobMatcher,
    text: String,
}

const ACTIONS: &[&str] = &["command", "read_file", "write_file", "read_url", "mcp"];

impl Rules {
    /// The rules that `permissions` holds; without any, all is allowed that no one may forbid.
    ///
    /// # Errors
    /// When a rule is not understood.
    pub fn new(permissions: Option<&Permissions>) -> Result<Self, Error> {
        let Some(permissions) = permissions else {
            return Ok(Self {
                deny: Vec::new(),
                allow: Vec::new(),
                ask: Vec::new(),
                role: RoleRules::default(),
                rest: Rest::Allowed,
                unattended: Unattended::RiskBased,
            });
        };
        let list =
            |texts: &[String]| texts.iter().map(|text| Rule::parse(text)).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            deny: list(&permissions.deny)?,
            allow: list(&permissions.allow)?,
            ask: list(&permissions.ask)?,
            role: permissions.role.map(role_rules).transpose()?.unwrap_or_default(),
            rest: Rest::ByRisk,
            unattended: permissions.unattended,
        })
    }

    /// Adds rules that allow, as a person gave them for good.
    ///
    /// # Errors
    /// When one is not understood.
    pub fn allow(&mut self, text: &str) -> Result<(), Error> {
        self.allow.push(Rule::parse(text)?);
        Ok(())
    }

    /// What is said of `request`: what refuses comes before what allows, and that before what asks.
    pub fn judge(&self, request: &Request) -> Judgement {
        let risk = risk::of(request);
        let judgement = |verdict, rule: &str, reason: &str| Judgement {
            verdict,
            rule: rule.to_owned(),
            reason: reason.to_owned(),
            risk,
        };
        if request.effect == Effect::Command
            && let Some(reason) = hardline(&request.target).or_else(|| hardline(&unquoted(&request.target)))
        {
            return judgement(Verdict::Deny, "hardline", reason);
        }
        if let Some(rule) = self.deny.iter().find(|rule| rule.touches(request)) {
            return judgement(Verdict::Deny, &rule.text, "a rule refuses it");
        }
        if let Some(rule) = self.role.deny.iter().find(|rule| rule.touches(request)) {
            return judgement(Verdict::Deny, &rule.text, "the role does not have it");
        }
        if let Some(rule) = covering(&self.allow, request) {
            return judgement(Verdict::Allow, &rule.text, "a rule allows it");
        }
        if let Some(rule) = self.ask.iter().find(|rule| rule.touches(request)) {
            return judgement(Verdict::Ask, &rule.text, "a rule asks about it");
        }
        if let Some(rule) = self.role.ask.iter().find(|rule| rule.touches(request)) {
            return judgement(Verdict::Ask, &rule.text, "the role asks about it");
        }
        if let Some(rule) = covering(&self.role.allow, request) {
            return judgement(Verdict::Allow, &rule.text, "the role has it");
        }
        match (self.rest, risk) {
            (Rest::Allowed, _) => judgement(Verdict::Allow, "none", "there are no permissions"),
            (Rest::ByRisk, Risk::Low) => judgement(Verdict::Allow, BY_RISK, "it can do no harm"),
            (Rest::ByRisk, Risk::Medium) => judgement(Verdict::Ask, BY_RISK, "it may do harm"),
            (Rest::ByRisk, Risk::High) => judgement(Verdict::Ask, BY_RISK, "it may do much harm"),
        }
    }

    /// What becomes of a judgement when there is nobody to ask.
    pub fn alone(&self, judgement: Judgement) -> Judgement {
        match judgement.verdict {
            Verdict::Allow | Verdict::Deny => return judgement,
            Verdict::Ask => {}
        }
        let (verdict, why) = match (self.unattended, judgement.risk) {
            (Unattended::AllowAll, _) => (Verdict::Allow, "nobody is asked, all is allowed"),
            (Unattended::RiskBased, Risk::Low) => (Verdict::Allow, "nobody is asked, it can do no harm"),
            (Unattended::RiskBased, Risk::Medium | Risk::High) | (Unattended::DenyAll, _) => {
                (Verdict::Deny, "nobody is there to ask")
            }
        };
        Judgement { verdict, reason: format!("{}; {why}", judgement.reason), ..judgement }
    }
}

fn role_rules(role: Role) -> Result<RoleRules, Error> {
    let (deny, ask, allow): (&[&str], &[&str], &[&str]) = match role {
        Role::ReadOnly => (&["write_file(*)", "command(*)"], &[], &["read_file(*)"]),
        Role::Researcher => (&["write_file(*)", "command(*)"], &["read_url(*)"], &["read_file(*)"]),
        Role::ReadWrite => (&[], &[], &["read_file(*)", "write_file(*)"]),
        Role::Implementer => (&[], &[], &["*(*)"]),
    };
    let list = |texts: &[&str]| texts.iter().map(|text| Rule::parse(text)).collect::<Result<Vec<_>, _>>();
    Ok(RoleRules { deny: list(deny)?, ask: list(ask)?, allow: list(allow)? })
}

/// The rule because of which all of `request` is allowed. Each command of a line needs one.
fn covering<'a>(rules: &'a [Rule], request: &Request) -> Option<&'a Rule> {
    let fitting =
        |text: &str| rules.iter().find(|rule| rule.is_for(request.effect) && rule.pattern.is_match(text));
    if request.effect != Effect::Command {
        return request.true_spellings().find_map(fitting);
    }
    if let Some(rule) = rules.iter().find(|rule| rule.is_for(request.effect) && rule.is_for_everything()) {
        return Some(rule);
    }
    // A line was allowed exactly as it stands.
    if let Some(rule) =
        rules.iter().find(|rule| rule.is_for(request.effect) && rule.is_exactly(&request.target))
    {
        return Some(rule);
    }
    let mut covering = None;
    for command in commands(&request.target)? {
        covering = Some(fitting(&command)?);
    }
    covering
}

impl Rule {
    fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Rule { rule: text.to_owned(), reason };
        let (action, pattern) = text
            .trim()
            .split_once('(')
            .and_then(|(action, rest)| Some((action.trim(), rest.strip_suffix(')')?)))
            .ok_or_else(|| wrong("it is not of the form `action(pattern)`".to_owned()))?;
        let action = if action == "*" {
            None
        } else {
            let known = ACTIONS.iter().find(|known| **known == action).copied();
            Some(known.ok_or_else(|| wrong(format!("there is no action `{action}`")))?)
        };
        let glob = GlobBuilder::new(pattern.trim())
            .literal_separator(false)
            .backslash_escape(true)
            .build()
            .map_err(|error| wrong(error.kind().to_string()))?;
        Ok(Self { action, pattern: glob.compile_matcher(), text: text.to_owned() })
    }

    fn is_for(&self, effect: Effect) -> bool {
        self.action.is_none_or(|action| action == effect.action())
    }

    fn is_for_everything(&self) -> bool {
        self.pattern.glob().glob() == "*"
    }

    fn is_exactly(&self, text: &str) -> bool {
        self.pattern.glob().glob() == globset::escape(text)
    }

    /// Whether the rule fits any part of `request`.
    fn touches(&self, request: &Request) -> bool {
        if !self.is_for(request.effect) {
            return false;
        }
        let fits = |text: &str| self.pattern.is_match(text);
        if request.true_spellings().any(fits) || request.asked.as_deref().is_some_and(fits) {
            return true;
        }
        if request.effect != Effect::Command {
            return false;
        }
        let seen = seen(&request.target);
        seen.commands.iter().any(|command| fits(command))
            || (seen.clarity == Clarity::Unclear && self.may_be_hidden_in(&request.target))
    }

    /// Whether the rule fits what begins at any word of a line that cannot be seen through.
    fn may_be_hidden_in(&self, line: &str) -> bool {
        if line.len() > LONGEST {
            return true;
        }
        let begins = |c: char| " \t\n;|&()`$<>{}\"'/".contains(c);
        let ends: &[char] = &[')', '`', '"', '\'', ';', '|', '&', '\n', '}'];
        line.char_indices().filter(|(_, c)| begins(*c)).any(|(at, c)| {
            let rest = line.get(at + c.len_utf8()..).unwrap_or_default().trim_start();
            let rest = front(rest.lines().next().unwrap_or_default(), AHEAD);
            let first = rest.split(ends).next().unwrap_or_default().trim_end();
            !rest.is_empty() && (self.pattern.is_match(rest) || self.pattern.is_match(first))
        })
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
