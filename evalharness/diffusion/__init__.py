"""The bundled diffusion code model."""
