//! What can be asked about overrides and connections, and what is answered.

use ipvs_backend::{Connection, ConnectionCounts, DestinationKey, ServiceKey};
use serde::{Deserialize, Serialize};

/// The wish to override what the file says of servers, or to take that back (`POST /v1/overrides`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideWish {
    /// Whom it is for, as on the command line: `director`, `tcp:10.0.0.100:80`, `10.0.0.2`, `SERVICE/SERVER`, …
    pub what: String,
    /// What to do.
    pub act: WishedAct,
    /// Why, for others to read.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it ends by itself, in seconds from now.
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// Also where a virtual server loses its last usable server by it.
    #[serde(default)]
    pub force: bool,
}

/// What to do with servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WishedAct {
    /// No new connections.
    Drain {
        /// Then out of the table.
        #[serde(default)]
        remove: bool,
        /// With `remove`: after this time also with connections; 0: at once.
        #[serde(default)]
        within_seconds: Option<u64>,
    },
    /// Takes back a drain.
    Undrain,
    /// Out of the table.
    Disable,
    /// Takes that back.
    Enable,
    /// Another weight, 0 to 2147483647; none: as the file says.
    Weight(Option<u32>),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideAnswer {
    /// Whether it was granted.
    pub accepted: bool,
    /// One sentence.
    pub summary: String,
    /// What else should be known.
    pub warnings: Vec<String>,
    /// Whom it is for, in the form that names nothing else.
    pub target: Option<String>,
    /// The real servers that are meant at present.
    pub servers: Vec<Place>,
}

/// A real server of a virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The virtual server.
    pub service: ServiceKey,
    /// The real server.
    pub server: DestinationKey,
}

/// The wish to know the connections of servers (`POST /v1/connections`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsWish {
    /// Whose, as on the command line.
    pub what: String,
    /// How many of them to list; 0: only their numbers.
    #[serde(default)]
    pub list: usize,
}

/// The connections of servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionsAnswer {
    /// Set if there is no answer: why.
    pub refused: Option<String>,
    /// Whose connections they are.
    pub servers: Vec<ServerConnections>,
    /// How many must end before the servers are empty.
    pub left: u64,
    /// Whether clients that are bound to a drained server go elsewhere (`net.ipv4.vs.expire_quiescent_template`).
    pub templates_move: bool,
    /// Whether connections end when their server leaves the table (`net.ipv4.vs.expire_nodest_conn`).
    pub end_without_server: bool,
    /// As many as were asked for.
    pub listed: Vec<Connection>,
    /// How many there are to list, templates included.
    pub listable: u64,
}

/// One real server's connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConnections {
    /// Which.
    #[serde(flatten)]
    pub place: Place,
    /// None if it is not in the kernel's table.
    pub counts: Option<ConnectionCounts>,
}
