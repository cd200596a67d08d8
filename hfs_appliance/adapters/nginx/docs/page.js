// Shows the endpoint's own merged document and nothing else. Nothing is fetched from elsewhere, the validator included.
SwaggerUIBundle({
  url: "/swagger.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
