//! Addresses of Azure, where a model is a deployment with an address of its own.

use massgen_protocol::spec::KeyHeader;

use super::Lower;
use super::backend::Draft;
use crate::check::shortened;
use crate::finding::Finding;

/// The backend type.
pub(super) const TYPE: &str = "azure_openai";

/// The path of the interface that is the same for all models.
const UNIFIED: &str = "/openai/v1";

/// The variable that may hold the version of the interface.
const VERSION_VARIABLE: &str = "AZURE_OPENAI_API_VERSION";

/// The version of the interface when nothing names one.
const VERSION: &str = "2024-12-01-preview";

impl Lower<'_> {
    /// The base address of `model` behind the endpoint `url`, and the header that the key goes into.
    pub(super) fn azure(&mut self, draft: &Draft<'_>, url: &str, model: &str) -> Option<(String, KeyHeader)> {
        if url.contains(UNIFIED) {
            return Some((url.to_owned(), KeyHeader::Bearer));
        }
        let is_plain = |text: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if !is_plain(model) {
            let message = format!("`{}` is no name of a deployment", shortened(model));
            let hint = "`model` is the name that the deployment has in Azure";
            let origin = draft.node.get("model").map_or(&draft.node.origin, |node| &node.origin);
            self.report(Finding::error(draft.at("model"), message).hint(hint).at(origin));
            return None;
        }
        let written = draft.node.get("api_version");
        let version = match written.and_then(|node| node.text()) {
            Some(version) if self.waits(version) => return None,
            Some(version) => version.trim().to_owned(),
            None => (self.by.lookup)(VERSION_VARIABLE)
                .map(|version| version.trim().to_owned())
                .filter(|version| !version.is_empty())
                .unwrap_or_else(|| VERSION.to_owned()),
        };
        if !is_plain(&version) {
            let message = format!("`{}` is no version of the interface", shortened(&version));
            let hint = format!("for example `api_version: {VERSION}`");
            let origin = written.map_or(&draft.node.origin, |node| &node.origin);
            self.report(Finding::error(draft.at("api_version"), message).hint(hint).at(origin));
            return None;
        }
        // Azure shows addresses with the deployment in them, too.
        let root = url.split_once("/openai").map_or(url, |(root, _)| root);
        Some((format!("{root}/openai/deployments/{model}?api-version={version}"), draft.kind.key_header))
    }
}
