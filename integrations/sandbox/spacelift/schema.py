"""The part of Spacelift's GraphQL schema that is played here, as its own tools name it.

Derived from spacectl, the Terraform provider and the request collection (see README.md); an
operation that does not fit is refused by the same rules as at the real one.
"""

from __future__ import annotations

from graphql import GraphQLSchema, build_schema

SDL = """
schema { query: Query mutation: Mutation }

type Query {
  viewer: Viewer
  spaces: [Space!]!
  space(id: ID!): Space
  searchSpaces(input: SearchInput!): SearchSpacesOutput!
  apiKey(id: ID!): ApiKey
  stacks: [Stack!]!
  searchStacks(input: SearchInput!): SearchStacksOutput!
  vcsIntegrations: [VcsIntegration!]!
  searchNamedWebhooksIntegrations(input: SearchInput!): SearchNamedWebhooksIntegrationsOutput!
  searchAuditTrailEntries(input: SearchInput!): SearchAuditTrailEntriesOutput!
}

type Mutation {
  apiKeyUser(id: ID!, secret: String!): TokenUser
  logout: Session
}

enum SpaceAccessLevel { READ WRITE ADMIN }
enum ApiKeyType { SECRET OIDC }
enum VcsProvider { AZURE_DEVOPS BITBUCKET_CLOUD BITBUCKET_DATACENTER GIT GITHUB GITHUB_ENTERPRISE
  GITLAB SHOWCASE SPACELIFT }
enum StackState { NONE QUEUED PLANNING UNCONFIRMED APPLYING FINISHED FAILED }

type Viewer { id: ID! name: String! }
type TokenUser { id: ID! jwt: String! validUntil: Int! }
type Session { id: ID! login: String! type: String! }

type Space {
  id: ID!
  name: String!
  description: String!
  parentSpace: ID
  inheritEntities: Boolean!
  accessLevel: SpaceAccessLevel
  labels: [String!]!
}

type ApiKey {
  id: ID!
  name: String!
  admin: Boolean!
  description: String
  type: ApiKeyType!
  isMachineUser: Boolean!
  teams: [String!]
  accessRules: [SpaceAccessRule!]!
  createdAt: Int!
  lastUsedAt: Int
  expiresAt: Int
}
type SpaceAccessRule { space: ID! spaceAccessLevel: SpaceAccessLevel! }

type Stack {
  id: ID!
  name: String!
  state: StackState!
  description: String
  labels: [String!]!
  space: ID!
  provider: VcsProvider!
  namespace: String!
  repository: String!
  branch: String!
  projectRoot: String
  administrative: Boolean!
  autodeploy: Boolean!
}

type VcsIntegration {
  id: ID! name: String! provider: VcsProvider! isDefault: Boolean! space: Space!
}
type NamedWebhooksIntegration {
  id: ID! name: String! endpoint: String! enabled: Boolean! labels: [String!]!
  space: Space! retryOnFailure: Boolean createdAt: Int!
}
type AuditTrailEntry { id: ID! action: String! createdAt: Int! }

input SearchInput {
  first: Int
  after: String
  fullTextSearch: String
  predicates: [SearchQueryPredicate!]
}
input SearchQueryPredicate { field: String! constraint: SearchQueryFieldConstraint! }
input SearchQueryFieldConstraint { stringMatches: [String!] enumEquals: [String!] }

type PageInfo { endCursor: String! hasNextPage: Boolean! hasPreviousPage: Boolean! }
type SearchSpacesOutput { edges: [SearchSpacesEdge!]! pageInfo: PageInfo! }
type SearchSpacesEdge { cursor: String! node: Space! }
type SearchStacksOutput { edges: [SearchStacksEdge!]! pageInfo: PageInfo! }
type SearchStacksEdge { cursor: String! node: Stack! }
type SearchNamedWebhooksIntegrationsOutput {
  edges: [SearchNamedWebhooksIntegrationsEdge!]! pageInfo: PageInfo!
}
type SearchNamedWebhooksIntegrationsEdge { cursor: String! node: NamedWebhooksIntegration! }
type SearchAuditTrailEntriesOutput {
  edges: [SearchAuditTrailEntriesEdge!]! pageInfo: PageInfo!
}
type SearchAuditTrailEntriesEdge { cursor: String! node: AuditTrailEntry! }
"""

SEARCHED_SPACES = "  searchSpaces(input: SearchInput!): SearchSpacesOutput!\n"


def schema(*, searches_spaces: bool = True) -> GraphQLSchema:
    """The schema; an installation of some years ago lists its spaces in one answer only."""
    return build_schema(SDL if searches_spaces else SDL.replace(SEARCHED_SPACES, ""))
