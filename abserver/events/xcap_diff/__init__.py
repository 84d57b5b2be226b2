"""Pure: the `xcap-diff` event package (RFC 5875), whose documents are those of RFC 5874 (`xcap.core.xcapdiff`).

package     its name, numbers and types
lists       which URIs a SUBSCRIBE names
selections  which documents, components and collections these are
resources   what there is of them: the state of a subscription
telling     what one subscriber has been told of it, and what it is told next
"""
