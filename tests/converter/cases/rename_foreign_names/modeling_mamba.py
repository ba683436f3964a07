class MambaModel:
    """Mamba, with the mamba-ssm kernels."""

    def forward(self, x):
        if self.config.use_mambapy:
            from mamba_ssm.ops import mamba_inner_fn

            return mamba_inner_fn(x)
        return self.mamba_scan(x)
