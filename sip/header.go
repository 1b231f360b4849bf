package sip

// Header says which header a span belongs to, or one of the pseudo headers StartLine, Body and Malformed.
// The numbers are not stable between versions: store names, not numbers.
type Header uint8

// The headers this package knows by name: RFC 3261 section 20 and the extensions that turn up in the field. Any other
// header is HeaderOther and is named by its own octets.
const (
	StartLine   Header = iota // request line or status line
	Body                      // everything after the empty line
	Malformed                 // a header line without a name and a colon
	HeaderOther               // a header not listed below
	HeaderAccept
	HeaderAcceptContact
	HeaderAcceptEncoding
	HeaderAcceptLanguage
	HeaderAlertInfo
	HeaderAllow
	HeaderAllowEvents
	HeaderAuthenticationInfo
	HeaderAuthorization
	HeaderCallID
	HeaderCallInfo
	HeaderContact
	HeaderContentDisposition
	HeaderContentEncoding
	HeaderContentLanguage
	HeaderContentLength
	HeaderContentType
	HeaderCSeq
	HeaderDate
	HeaderDiversion
	HeaderErrorInfo
	HeaderEvent
	HeaderExpires
	HeaderFlowTimer
	HeaderFrom
	HeaderHistoryInfo
	HeaderIdentity
	HeaderIdentityInfo
	HeaderInReplyTo
	HeaderJoin
	HeaderMaxBreadth
	HeaderMaxForwards
	HeaderMIMEVersion
	HeaderMinExpires
	HeaderMinSE
	HeaderOrganization
	HeaderPAccessNetworkInfo
	HeaderPAssertedIdentity
	HeaderPAssociatedURI
	HeaderPCalledPartyID
	HeaderPChargingVector
	HeaderPEarlyMedia
	HeaderPPreferredIdentity
	HeaderPServedUser
	HeaderPath
	HeaderPriority
	HeaderPrivacy
	HeaderProxyAuthenticate
	HeaderProxyAuthorization
	HeaderProxyRequire
	HeaderRAck
	HeaderReason
	HeaderRecordRoute
	HeaderReferSub
	HeaderReferTo
	HeaderReferredBy
	HeaderRejectContact
	HeaderRemotePartyID
	HeaderReplaces
	HeaderReplyTo
	HeaderRequestDisposition
	HeaderRequire
	HeaderRetryAfter
	HeaderRoute
	HeaderRSeq
	HeaderSecurityClient
	HeaderSecurityServer
	HeaderSecurityVerify
	HeaderServer
	HeaderServiceRoute
	HeaderSessionExpires
	HeaderSessionID
	HeaderSIPETag
	HeaderSIPIfMatch
	HeaderSubject
	HeaderSubscriptionState
	HeaderSupported
	HeaderTargetDialog
	HeaderTimestamp
	HeaderTo
	HeaderUnsupported
	HeaderUserAgent
	HeaderUserToUser
	HeaderVia
	HeaderWarning
	HeaderWWWAuthenticate

	numHeaders = int(iota)
)

// form is the grammar that the values of a header are read with.
type form uint8

const (
	formValue    form = iota // the whole value is one leaf
	formVia                  // comma list of via-parm (RFC 3261 20.42)
	formAddr                 // one name-addr or addr-spec with parameters (RFC 3261 20.10)
	formAddrList             // comma list of the same
)

// list says whether a header line may hold several values, separated by commas, that are named one by one.
func (f form) list() bool { return f == formVia || f == formAddrList }

type headerInfo struct {
	name string // lower-case long form
	form form
}

// headers describes every Header; it is only ever read.
var headers = [numHeaders]headerInfo{
	StartLine:                {name: "start-line"},
	Body:                     {name: "body"},
	Malformed:                {name: "line"},
	HeaderOther:              {name: "header"},
	HeaderAccept:             {name: "accept"},
	HeaderAcceptContact:      {name: "accept-contact"},
	HeaderAcceptEncoding:     {name: "accept-encoding"},
	HeaderAcceptLanguage:     {name: "accept-language"},
	HeaderAlertInfo:          {name: "alert-info", form: formAddrList},
	HeaderAllow:              {name: "allow"},
	HeaderAllowEvents:        {name: "allow-events"},
	HeaderAuthenticationInfo: {name: "authentication-info"},
	HeaderAuthorization:      {name: "authorization"},
	HeaderCallID:             {name: "call-id"},
	HeaderCallInfo:           {name: "call-info", form: formAddrList},
	HeaderContact:            {name: "contact", form: formAddrList},
	HeaderContentDisposition: {name: "content-disposition"},
	HeaderContentEncoding:    {name: "content-encoding"},
	HeaderContentLanguage:    {name: "content-language"},
	HeaderContentLength:      {name: "content-length"},
	HeaderContentType:        {name: "content-type"},
	HeaderCSeq:               {name: "cseq"},
	HeaderDate:               {name: "date"},
	HeaderDiversion:          {name: "diversion", form: formAddrList},
	HeaderErrorInfo:          {name: "error-info", form: formAddrList},
	HeaderEvent:              {name: "event"},
	HeaderExpires:            {name: "expires"},
	HeaderFlowTimer:          {name: "flow-timer"},
	HeaderFrom:               {name: "from", form: formAddr},
	HeaderHistoryInfo:        {name: "history-info", form: formAddrList},
	HeaderIdentity:           {name: "identity"},
	HeaderIdentityInfo:       {name: "identity-info"},
	HeaderInReplyTo:          {name: "in-reply-to"},
	HeaderJoin:               {name: "join"},
	HeaderMaxBreadth:         {name: "max-breadth"},
	HeaderMaxForwards:        {name: "max-forwards"},
	HeaderMIMEVersion:        {name: "mime-version"},
	HeaderMinExpires:         {name: "min-expires"},
	HeaderMinSE:              {name: "min-se"},
	HeaderOrganization:       {name: "organization"},
	HeaderPAccessNetworkInfo: {name: "p-access-network-info"},
	HeaderPAssertedIdentity:  {name: "p-asserted-identity", form: formAddrList},
	HeaderPAssociatedURI:     {name: "p-associated-uri", form: formAddrList},
	HeaderPCalledPartyID:     {name: "p-called-party-id", form: formAddr},
	HeaderPChargingVector:    {name: "p-charging-vector"},
	HeaderPEarlyMedia:        {name: "p-early-media"},
	HeaderPPreferredIdentity: {name: "p-preferred-identity", form: formAddrList},
	HeaderPServedUser:        {name: "p-served-user", form: formAddr},
	HeaderPath:               {name: "path", form: formAddrList},
	HeaderPriority:           {name: "priority"},
	HeaderPrivacy:            {name: "privacy"},
	HeaderProxyAuthenticate:  {name: "proxy-authenticate"},
	HeaderProxyAuthorization: {name: "proxy-authorization"},
	HeaderProxyRequire:       {name: "proxy-require"},
	HeaderRAck:               {name: "rack"},
	HeaderReason:             {name: "reason"},
	HeaderRecordRoute:        {name: "record-route", form: formAddrList},
	HeaderReferSub:           {name: "refer-sub"},
	HeaderReferTo:            {name: "refer-to", form: formAddr},
	HeaderReferredBy:         {name: "referred-by", form: formAddr},
	HeaderRejectContact:      {name: "reject-contact"},
	HeaderRemotePartyID:      {name: "remote-party-id", form: formAddrList},
	HeaderReplaces:           {name: "replaces"},
	HeaderReplyTo:            {name: "reply-to", form: formAddr},
	HeaderRequestDisposition: {name: "request-disposition"},
	HeaderRequire:            {name: "require"},
	HeaderRetryAfter:         {name: "retry-after"},
	HeaderRoute:              {name: "route", form: formAddrList},
	HeaderRSeq:               {name: "rseq"},
	HeaderSecurityClient:     {name: "security-client"},
	HeaderSecurityServer:     {name: "security-server"},
	HeaderSecurityVerify:     {name: "security-verify"},
	HeaderServer:             {name: "server"},
	HeaderServiceRoute:       {name: "service-route", form: formAddrList},
	HeaderSessionExpires:     {name: "session-expires"},
	HeaderSessionID:          {name: "session-id"},
	HeaderSIPETag:            {name: "sip-etag"},
	HeaderSIPIfMatch:         {name: "sip-if-match"},
	HeaderSubject:            {name: "subject"},
	HeaderSubscriptionState:  {name: "subscription-state"},
	HeaderSupported:          {name: "supported"},
	HeaderTargetDialog:       {name: "target-dialog"},
	HeaderTimestamp:          {name: "timestamp"},
	HeaderTo:                 {name: "to", form: formAddr},
	HeaderUnsupported:        {name: "unsupported"},
	HeaderUserAgent:          {name: "user-agent"},
	HeaderUserToUser:         {name: "user-to-user"},
	HeaderVia:                {name: "via", form: formVia},
	HeaderWarning:            {name: "warning"},
	HeaderWWWAuthenticate:    {name: "www-authenticate"},
}

// String returns the lower-case long form of the header's name; "start-line", "body", "line" and "header" for the others.
func (h Header) String() string {
	if int(h) >= numHeaders {
		return "header"
	}
	return headers[h].name
}

// Repeats says whether the values of the header are always numbered in paths (via[0]), since it is a list by nature.
func (h Header) Repeats() bool { return int(h) < numHeaders && headers[h].form.list() }

// HeaderByName returns the header with that name in long or compact form (RFC 3261 7.3.3 and the IANA registry of
// header fields), in any case, or HeaderOther.
func HeaderByName(name string) Header { return headerOf(name) }

func headerOf[T []byte | string](name T) Header {
	var low [maxHeaderName]byte
	if len(name) > len(low) {
		return HeaderOther
	}
	for i := range len(name) {
		low[i] = lowerToken[name[i]]
	}
	return lookup(low[:len(name)])
}

// maxHeaderName is at least the length of the longest known name, in octets.
const maxHeaderName = 24

// lookup maps a lower-case name to its header. The compiler turns the switch into a search by length, then by value.
func lookup(name []byte) Header {
	switch string(name) {
	case "accept":
		return HeaderAccept
	case "accept-contact", "a":
		return HeaderAcceptContact
	case "accept-encoding":
		return HeaderAcceptEncoding
	case "accept-language":
		return HeaderAcceptLanguage
	case "alert-info":
		return HeaderAlertInfo
	case "allow":
		return HeaderAllow
	case "allow-events", "u":
		return HeaderAllowEvents
	case "authentication-info":
		return HeaderAuthenticationInfo
	case "authorization":
		return HeaderAuthorization
	case "call-id", "i":
		return HeaderCallID
	case "call-info":
		return HeaderCallInfo
	case "contact", "m":
		return HeaderContact
	case "content-disposition":
		return HeaderContentDisposition
	case "content-encoding", "e":
		return HeaderContentEncoding
	case "content-language":
		return HeaderContentLanguage
	case "content-length", "l":
		return HeaderContentLength
	case "content-type", "c":
		return HeaderContentType
	case "cseq":
		return HeaderCSeq
	case "date":
		return HeaderDate
	case "diversion":
		return HeaderDiversion
	case "error-info":
		return HeaderErrorInfo
	case "event", "o":
		return HeaderEvent
	case "expires":
		return HeaderExpires
	case "flow-timer":
		return HeaderFlowTimer
	case "from", "f":
		return HeaderFrom
	case "history-info":
		return HeaderHistoryInfo
	case "identity", "y":
		return HeaderIdentity
	case "identity-info", "n":
		return HeaderIdentityInfo
	case "in-reply-to":
		return HeaderInReplyTo
	case "join":
		return HeaderJoin
	case "max-breadth":
		return HeaderMaxBreadth
	case "max-forwards":
		return HeaderMaxForwards
	case "mime-version":
		return HeaderMIMEVersion
	case "min-expires":
		return HeaderMinExpires
	case "min-se":
		return HeaderMinSE
	case "organization":
		return HeaderOrganization
	case "p-access-network-info":
		return HeaderPAccessNetworkInfo
	case "p-asserted-identity":
		return HeaderPAssertedIdentity
	case "p-associated-uri":
		return HeaderPAssociatedURI
	case "p-called-party-id":
		return HeaderPCalledPartyID
	case "p-charging-vector":
		return HeaderPChargingVector
	case "p-early-media":
		return HeaderPEarlyMedia
	case "p-preferred-identity":
		return HeaderPPreferredIdentity
	case "p-served-user":
		return HeaderPServedUser
	case "path":
		return HeaderPath
	case "priority":
		return HeaderPriority
	case "privacy":
		return HeaderPrivacy
	case "proxy-authenticate":
		return HeaderProxyAuthenticate
	case "proxy-authorization":
		return HeaderProxyAuthorization
	case "proxy-require":
		return HeaderProxyRequire
	case "rack":
		return HeaderRAck
	case "reason":
		return HeaderReason
	case "record-route":
		return HeaderRecordRoute
	case "refer-sub":
		return HeaderReferSub
	case "refer-to", "r":
		return HeaderReferTo
	case "referred-by", "b":
		return HeaderReferredBy
	case "reject-contact", "j":
		return HeaderRejectContact
	case "remote-party-id":
		return HeaderRemotePartyID
	case "replaces":
		return HeaderReplaces
	case "reply-to":
		return HeaderReplyTo
	case "request-disposition", "d":
		return HeaderRequestDisposition
	case "require":
		return HeaderRequire
	case "retry-after":
		return HeaderRetryAfter
	case "route":
		return HeaderRoute
	case "rseq":
		return HeaderRSeq
	case "security-client":
		return HeaderSecurityClient
	case "security-server":
		return HeaderSecurityServer
	case "security-verify":
		return HeaderSecurityVerify
	case "server":
		return HeaderServer
	case "service-route":
		return HeaderServiceRoute
	case "session-expires", "x":
		return HeaderSessionExpires
	case "session-id":
		return HeaderSessionID
	case "sip-etag":
		return HeaderSIPETag
	case "sip-if-match":
		return HeaderSIPIfMatch
	case "subject", "s":
		return HeaderSubject
	case "subscription-state":
		return HeaderSubscriptionState
	case "supported", "k":
		return HeaderSupported
	case "target-dialog":
		return HeaderTargetDialog
	case "timestamp":
		return HeaderTimestamp
	case "to", "t":
		return HeaderTo
	case "unsupported":
		return HeaderUnsupported
	case "user-agent":
		return HeaderUserAgent
	case "user-to-user":
		return HeaderUserToUser
	case "via", "v":
		return HeaderVia
	case "warning":
		return HeaderWarning
	case "www-authenticate":
		return HeaderWWWAuthenticate
	}
	return HeaderOther
}
