//! What deployments of Azure want to be sent. A deployment has whatever name its owner gave it, so its model is known
//! from the name only where that tells it.

use reqwest::Url;

/// Parts of the names of deployments that take no `stream_options`: Azure hands it to models of Mistral, which refuse
/// what they do not know. Their usage is estimated when they do not tell it.
const REFUSE_STREAM_OPTIONS: [&str; 2] = ["mistral", "ministral"];

/// Parts of names that tell a model which refuses `max_tokens`; those of the o-series besides.
const REASONING: [&str; 3] = ["gpt-5", "gpt5", "codex"];

/// Parts of names that tell a model which takes `max_tokens`, and perhaps nothing else.
const LEGACY: [&str; 14] = [
    "gpt-3",
    "gpt3",
    "gpt-4",
    "gpt4",
    "gpt-oss",
    "mistral",
    "ministral",
    "llama",
    "phi",
    "deepseek",
    "grok",
    "cohere",
    "kimi",
    "qwen",
];

/// The first version of the interface in which all models of OpenAI take `max_completion_tokens`.
const MODERN: &str = "2024-09-01";

/// Whether a deployment of Azure is asked: by its host, or by the path that such addresses have behind a gateway.
pub(super) fn is_at(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let belongs =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    ["azure.com", "azure.us", "azure.cn"].into_iter().any(belongs) || is_deployment(url)
}

/// Whether `deployment` refuses `stream_options`.
pub(super) fn refuses_stream_options(deployment: &str) -> bool {
    names(deployment, &REFUSE_STREAM_OPTIONS)
}

/// Whether the bound on the output goes to `deployment` as `max_completion_tokens`: models that reason refuse
/// `max_tokens`. A name that tells nothing is taken for a model of OpenAI, all of which take the newer field where the
/// interface is new enough.
pub(super) fn takes_max_completion_tokens(url: &Url, deployment: &str) -> bool {
    if names(deployment, &REASONING) || is_of_the_o_series(deployment) {
        return true;
    }
    let version = url.query_pairs().find(|(name, _)| name == "api-version").map(|(_, version)| version);
    // Versions are dates, so they sort as texts.
    let is_new = version.as_deref().is_some_and(|version| version >= MODERN);
    let is_modern = url.path().contains("/openai/v1") || (is_deployment(url) && is_new);
    is_modern && !names(deployment, &LEGACY)
}

fn is_deployment(url: &Url) -> bool {
    url.path().contains("/openai/deployments/")
}

fn names(deployment: &str, parts: &[&str]) -> bool {
    let deployment = deployment.to_ascii_lowercase();
    parts.iter().any(|part| deployment.contains(part))
}

/// `o1`, `my-o3-mini`, `o4mini`, but not `o365` or `turbo1`.
fn is_of_the_o_series(deployment: &str) -> bool {
    let deployment = deployment.to_ascii_lowercase();
    deployment.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        let mut rest = word.strip_prefix('o').unwrap_or_default().chars();
        rest.next().is_some_and(|c| c.is_ascii_digit()) && !rest.next().is_some_and(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_on_the_output_has_the_name_that_the_deployment_takes() {
        let takes = |path: &str, deployment: &str| {
            let url = Url::parse(&format!("https://mine.openai.azure.com/{path}")).unwrap();
            takes_max_completion_tokens(&url, deployment)
        };
        let at = |version: &str| format!("openai/deployments/x/chat/completions?api-version={version}");
        for reasoning in ["gpt-5.2", "Team-GPT5-mini", "o1", "my-o3-mini", "o4mini", "gpt-5-codex"] {
            assert!(takes(&at("2024-06-01"), reasoning), "{reasoning}");
            assert!(takes("models/chat/completions", reasoning), "{reasoning}");
        }
        for legacy in ["gpt-4o", "gpt-35-turbo", "Mistral-Large", "DeepSeek-V3", "Phi-4"] {
            assert!(!takes(&at("2025-03-01-preview"), legacy), "{legacy}");
            assert!(!takes("openai/v1/chat/completions", legacy), "{legacy}");
        }
        for free in ["prod", "o365-helper", "turbo1"] {
            assert!(takes(&at("2024-12-01-preview"), free), "{free}");
            assert!(takes("openai/v1/chat/completions", free), "{free}");
            assert!(!takes(&at("2024-06-01"), free), "{free}");
            assert!(!takes("models/chat/completions", free), "{free}");
        }
    }
}
