"""Every GraphQL document we send to Shopify. The contract test validates each against the published schema.

Costs are counted as Shopify documents it (scalars 0, objects 1, mutations 10, connections by page size, facts
section 10), so ORDER asks for at most 233 points, and for 115 by the curve that one measurement of a real shop
suggests; what it did not use is given back.
"""

from __future__ import annotations

LINE = """
fragment Line on LineItem {
  id sku name vendor quantity currentQuantity requiresShipping isGiftCard
  originalUnitPriceSet { shopMoney { amount } }
  product { productType tags }
  customAttributes { key value }
}
"""

FULFILLMENT_ORDER_LINE = """
fragment FulfillmentOrderLine on FulfillmentOrderLineItem { id totalQuantity remainingQuantity lineItem { id } }
"""

FULFILLMENT_ORDER = (
    """
fragment FulfillmentOrderParts on FulfillmentOrder {
  id status fulfillAt fulfillBy
  supportedActions { action }
  assignedLocation { location { id } }
  deliveryMethod { methodType }
  fulfillmentHolds { id reason heldByRequestingApp }
  lineItems(first: 10) { pageInfo { hasNextPage endCursor } nodes { ...FulfillmentOrderLine } }
}
"""
    + FULFILLMENT_ORDER_LINE
)

# No `first` on trackingInfo: a number cut off could be announced a second time.
FULFILLMENT = """
fragment FulfillmentParts on Fulfillment {
  id status
  trackingInfo { number }
  fulfillmentLineItems(first: $fulfillmentLines) {
    pageInfo { hasNextPage endCursor }
    nodes { quantity lineItem { id } }
  }
}
"""

# Amounts are what removals and refunds left, as `total` is; only what was received counts from before refunds.
# `customer` wants a scope of its own (read_customers): it is asked for where a rule needs it.
ORDER_PARTS = (
    """
fragment OrderParts on Order {
  id name createdAt updatedAt processedAt cancelledAt test email phone tags note
  displayFinancialStatus paymentGatewayNames currencyCode presentmentCurrencyCode
  currentTotalPriceSet { shopMoney { amount } }
  currentSubtotalPriceSet { shopMoney { amount } }
  currentShippingPriceSet { shopMoney { amount } }
  currentTotalTaxSet { shopMoney { amount } }
  totalReceivedSet { shopMoney { amount } }
  currentTotalWeight sourceName discountCodes
  attribution { displayName }
  app { name }
  customAttributes { key value }
  customer @include(if: $withCustomer) { tags }
  risk { recommendation assessments { riskLevel } }
  shippingLines(first: 3) { nodes { title code isRemoved } }
  shippingAddress { name company address1 address2 city provinceCode zip countryCodeV2 phone }
  lineItems(first: 10) { pageInfo { hasNextPage endCursor } nodes { ...Line } }
  fulfillmentOrders(first: 3) { pageInfo { hasNextPage endCursor } nodes { ...FulfillmentOrderParts } }
  fulfillments(first: $fulfillments) { ...FulfillmentParts }
}
"""
    + LINE
    + FULFILLMENT_ORDER
    + FULFILLMENT
)

# How many fulfillments and lines of each one read asks for. `fulfillments` is a plain list: it has no cursor, so
# an order with more is asked again for more, up to what one query may cost (1000).
FULFILLMENT_PAGES = ((3, 10), (20, 10), (150, 1))

ORDER = (
    """
query Order($id: ID!, $fulfillments: Int!, $fulfillmentLines: Int!, $withCustomer: Boolean!) {
  order(id: $id) { ...OrderParts }
}
"""
    + ORDER_PARTS
)

ORDER_OF_FULFILLMENT_ORDER = (
    """
query OrderOfFulfillmentOrder($id: ID!, $fulfillments: Int!, $fulfillmentLines: Int!, $withCustomer: Boolean!) {
  fulfillmentOrder(id: $id) { order { ...OrderParts } }
}
"""
    + ORDER_PARTS
)

MORE_LINES = (
    """
query MoreLines($id: ID!, $after: String!) {
  order(id: $id) { lineItems(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...Line } } }
}
"""
    + LINE
)

MORE_FULFILLMENT_ORDERS = (
    """
query MoreFulfillmentOrders($id: ID!, $after: String!) {
  order(id: $id) {
    fulfillmentOrders(first: 20, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { ...FulfillmentOrderParts }
    }
  }
}
"""
    + FULFILLMENT_ORDER
)

MORE_FULFILLMENT_ORDER_LINES = (
    """
query MoreFulfillmentOrderLines($id: ID!, $after: String!) {
  fulfillmentOrder(id: $id) {
    lineItems(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...FulfillmentOrderLine } }
  }
}
"""
    + FULFILLMENT_ORDER_LINE
)

MORE_FULFILLMENTS = (
    """
query MoreFulfillments($id: ID!, $fulfillments: Int!, $fulfillmentLines: Int!) {
  order(id: $id) { fulfillments(first: $fulfillments) { ...FulfillmentParts } }
}
"""
    + FULFILLMENT
)

MORE_FULFILLMENT_LINES = """
query MoreFulfillmentLines($id: ID!, $after: String!) {
  fulfillment(id: $id) {
    fulfillmentLineItems(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { quantity lineItem { id } }
    }
  }
}
"""

ORDERS_CHANGED = """
query OrdersChanged($query: String!, $after: String) {
  orders(first: 100, after: $after, query: $query, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes { id updatedAt }
  }
}
"""

ORDERS_NAMED = """
query OrdersNamed($query: String!, $after: String) {
  orders(first: 20, after: $after, query: $query) { pageInfo { hasNextPage endCursor } nodes { id name } }
}
"""

FULFILLMENT_ORDERS_CHANGED = """
query FulfillmentOrdersChanged($query: String!, $after: String) {
  fulfillmentOrders(first: 100, after: $after, query: $query, includeClosed: true, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes { orderId updatedAt }
  }
}
"""

LOCATION_STOCK = """
query LocationStock($id: ID!, $after: String) {
  location(id: $id) {
    inventoryLevels(first: 250, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        item { id sku tracked }
        quantities(names: ["available", "committed", "reserved", "safety_stock"]) { name quantity }
      }
    }
  }
}
"""

FULFILLMENT_CREATE = """
mutation FulfillmentCreate($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id } userErrors { field message } }
}
"""

TRACKING_UPDATE = """
mutation TrackingUpdate($id: ID!, $tracking: FulfillmentTrackingInput!, $notify: Boolean) {
  fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: $notify) {
    fulfillment { id }
    userErrors { field message }
  }
}
"""

SET_AVAILABLE = """
mutation SetAvailable($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { code field message } }
}
"""

HOLD = """
mutation Hold($id: ID!, $hold: FulfillmentOrderHoldInput!) {
  fulfillmentOrderHold(id: $id, fulfillmentHold: $hold) {
    fulfillmentHold { id }
    userErrors { code field message }
  }
}
"""

# Without ids it would release everybody's holds (facts section 6): they may not be left out.
RELEASE_HOLDS = """
mutation ReleaseHolds($id: ID!, $holdIds: [ID!]!) {
  fulfillmentOrderReleaseHold(id: $id, holdIds: $holdIds) {
    fulfillmentOrder { id }
    userErrors { code field message }
  }
}
"""

HOLDS = """
query Holds($id: ID!) { fulfillmentOrder(id: $id) { fulfillmentHolds { id } } }
"""

ADD_TAGS = """
mutation AddTags($id: ID!, $tags: [String!]!) {
  tagsAdd(id: $id, tags: $tags) { node { id } userErrors { field message } }
}
"""

REMOVE_TAGS = """
mutation RemoveTags($id: ID!, $tags: [String!]!) {
  tagsRemove(id: $id, tags: $tags) { node { id } userErrors { field message } }
}
"""

SET_NOTE = """
mutation SetNote($id: ID!, $note: String!) {
  orderUpdate(input: { id: $id, note: $note }) { order { id } userErrors { field message } }
}
"""

SET_METAFIELDS = """
mutation SetMetafields($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) { metafields { id } userErrors { code field message } }
}
"""

DELETE_METAFIELDS = """
mutation DeleteMetafields($metafields: [MetafieldIdentifierInput!]!) {
  metafieldsDelete(metafields: $metafields) { userErrors { field message } }
}
"""

# -- connecting -----------------------------------------------------------------------------------------------------
# Apart from each other: most of these fields may not be null, so what one of them is denied takes the whole answer
# with it.

SHOP = """
query Shop { shop { name myshopifyDomain ianaTimezone plan { publicDisplayName } } }
"""

INSTALLATION = """
query Installation($namespace: String!, $key: String!) {
  currentAppInstallation {
    id
    accessScopes { handle }
    metafield(namespace: $namespace, key: $key) { value compareDigest }
  }
}
"""

# Legacy ones too: those are the locations of fulfillment services, one of which may be Jetpack's own app.
LOCATIONS = """
query Locations($after: String) {
  locations(first: 100, after: $after, includeInactive: true, includeLegacy: true) {
    pageInfo { hasNextPage endCursor }
    nodes { id name isActive fulfillsOnlineOrders isFulfillmentService }
  }
}
"""

# What a customer is offered: the name of a rate, or the services of a carrier that is asked for its rates.
ZONES = """
fragment Zones on DeliveryLocationGroupZoneConnection {
  pageInfo { hasNextPage endCursor }
  nodes {
    methodDefinitions(first: 50) {
      pageInfo { hasNextPage endCursor }
      nodes {
        name active
        rateProvider { ... on DeliveryParticipant { participantServices { name active } } }
      }
    }
  }
}
"""

# One profile a page: what hangs on it counts many times over.
DELIVERY_PROFILES = (
    """
query DeliveryProfiles($after: String) {
  deliveryProfiles(first: 1, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id
      profileLocationGroups {
        locationGroup { id }
        locationGroupZones(first: 5) { ...Zones }
      }
    }
  }
}
"""
    + ZONES
)

MORE_ZONES = (
    """
query MoreZones($profile: ID!, $group: ID!, $after: String!) {
  deliveryProfile(id: $profile) {
    profileLocationGroups(locationGroupId: $group) {
      locationGroup { id }
      locationGroupZones(first: 5, after: $after) { ...Zones }
    }
  }
}
"""
    + ZONES
)

SUBSCRIPTIONS = """
query Subscriptions($after: String) {
  webhookSubscriptions(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { id topic uri } }
}
"""

SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}
"""

UNSUBSCRIBE = """
mutation Unsubscribe($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}
"""

DOCUMENTS = {
    name: text
    for name, text in globals().items()
    if isinstance(text, str) and text.strip().startswith(("query", "mutation"))
}
"""Every document that can be sent, by its name here."""
