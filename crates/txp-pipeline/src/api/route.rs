//! The table of routes: one place for the router, the description and the metrics.

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Ask for a link.
    PostUpload,
    /// Send the file.
    PutContent,
    /// One transaction.
    GetStatus,
    /// One upload.
    GetUpload,
    /// The rejects report of an upload.
    GetRejects,
    /// The client's uploads.
    GetUploads,
    /// The description of the API.
    GetOpenapi,
    /// The key that receipts can be checked with.
    GetReceiptKey,
    /// Whether the server is up.
    GetHealth,
    /// Prometheus metrics.
    GetMetrics,
    /// A page without data.
    GetShell,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 11] = [
        Self::PostUpload,
        Self::PutContent,
        Self::GetStatus,
        Self::GetUpload,
        Self::GetRejects,
        Self::GetUploads,
        Self::GetOpenapi,
        Self::GetReceiptKey,
        Self::GetHealth,
        Self::GetMetrics,
        Self::GetShell,
    ];

    /// Its path, parameters in braces.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::PostUpload => "/upload",
            Self::PutContent => "/uploads/{upload_id}/content",
            Self::GetStatus => "/status/{transaction_id}",
            Self::GetUpload => "/uploads/{upload_id}",
            Self::GetRejects => "/uploads/{upload_id}/rejects",
            Self::GetUploads => "/uploads",
            Self::GetOpenapi => "/openapi.json",
            Self::GetReceiptKey => "/receipt-key",
            Self::GetHealth => "/health",
            Self::GetMetrics => "/metrics",
            Self::GetShell => "/",
        }
    }

    /// Its method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::PostUpload => "POST",
            Self::PutContent => "PUT",
            _ => "GET",
        }
    }

    /// Whether the API key is asked for.
    #[must_use]
    pub const fn needs_key(self) -> bool {
        matches!(
            self,
            Self::PostUpload
                | Self::GetStatus
                | Self::GetUpload
                | Self::GetRejects
                | Self::GetUploads
        )
    }

    /// The routes at a path, with what stands there in the place of the parameter, as it stands:
    /// nothing is decoded, so that no encoded slash makes another path.
    pub fn at(path: &str) -> impl Iterator<Item = (Self, Option<&str>)> {
        let matched = |route: Self| Some((route, matched(route.path(), path)?));
        Self::ALL.into_iter().filter_map(matched)
    }

    /// What the header Allow says for these routes of one path.
    #[must_use]
    pub fn allowed(routes: impl IntoIterator<Item = Self>) -> String {
        let methods = routes.into_iter().map(Self::method);
        let methods: Vec<_> = methods.chain(["OPTIONS"]).collect();
        methods.join(", ")
    }
}

/// Whether a path is of this form; a parameter stands for one segment that is not empty.
fn matched<'a>(form: &str, path: &'a str) -> Option<Option<&'a str>> {
    let (mut wanted, mut given) = (form.split('/'), path.split('/'));
    let mut parameter = None;
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameter),
            (Some(name), Some(value)) if name.starts_with('{') && !value.is_empty() => {
                parameter = Some(value);
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}
