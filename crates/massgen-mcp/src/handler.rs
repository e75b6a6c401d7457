//! What we answer when a server asks something: nothing, in automation.

#![expect(deprecated, reason = "older servers still ask for what the newest protocol has dropped")]

use rmcp::ClientHandler;
use rmcp::ErrorData;
use rmcp::model::{
    ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams,
    ElicitResult, ErrorCode, Implementation, ListRootsResult, LoggingMessageNotificationParam,
    ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};

use crate::progress::Listeners;

/// The versions of the protocol that need no handshake, the newest first.
pub(crate) fn newer_versions() -> Vec<ProtocolVersion> {
    vec![ProtocolVersion::V_2026_07_28]
}

/// The newest version with a handshake.
pub(crate) const OLDER_VERSION: ProtocolVersion = ProtocolVersion::V_2025_11_25;

/// Our side of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    /// The server's name, for traces.
    pub(crate) server: String,
    /// Who hears how far calls are.
    pub(crate) listeners: Listeners,
}

/// The answer to a question that is meant for a person or a model.
fn refused(what: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("this client offers no {what}"), None)
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("massgen", env!("CARGO_PKG_VERSION")),
        )
        .with_protocol_version(OLDER_VERSION)
    }

    async fn create_message(
        &self,
        _params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Err(refused("sampling"))
    }

    async fn list_roots(&self, _context: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Err(refused("roots"))
    }

    async fn create_elicitation(
        &self,
        _request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Err(refused("elicitation"))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.listeners.tell(&params);
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        tracing::debug!(server = self.server, level = ?params.level, "a tool server logs something");
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        // The list of an agent is fixed for the run: prompts begin with it.
        tracing::debug!(
            server = self.server,
            "a tool server has other tools now; this run goes on with the first"
        );
    }
}
