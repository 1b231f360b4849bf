package alg

// A Contact that is private or names another port than the NAT opened is harmless where the far end sends to where messages
// come from. It is a fault where requests go to it and nobody answers.
var contactUnreachable = Rule{
	ID:       "contact-unreachable",
	Severity: Critical,
	Summary:  "requests of a call go to an address at which nobody answers",
	Symptom: "Calls that end after about 32 s, that cannot be hung up from one side, or that lose their audio when they are held " +
		"or transferred.",
	Advice: "Have the far end send requests back to where messages come from (\"NAT\", \"rport\", \"fix contact\"), or the phone " +
		"name its public address in Contact. A gateway that rewrote the Contact is to be turned off.",
	Source: "RFC 3261 8.1.1.8, 12.2.1.1",
}
