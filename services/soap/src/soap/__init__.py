"""SOAP as a codec: a WSDL from bytes, JSON in and out, nothing ever fetched."""
